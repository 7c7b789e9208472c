"""Parallel packs as equals: who is there, who speaks, who connects next, and what the site may carry.

Pure: messages, own measurements and the time in; messages and decisions out. No sockets, no clock. Whoever moves the
messages, and a BMU's own safety, lie elsewhere: nothing in here can close a contactor that the unit's own measurements
do not allow, and nothing that a peer says can keep one closed.
"""
