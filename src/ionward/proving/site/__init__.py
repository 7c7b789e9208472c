"""Whole sites in simulated time: several packs on one bus, each with its BMU, and the network between them."""
