"""Proving that peers agree: exploration of every course of a small site."""
