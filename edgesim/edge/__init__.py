"""The formats of Mobile and Remote Access itself: edge configuration, URL descriptors, cookie, allow list and more.

One module a format, each with its writer, its reader and the one error that the reader raises.
"""
