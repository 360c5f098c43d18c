"""The formats of Mobile and Remote Access: edge configuration, URL descriptors, cookie, allow list and more.

Each format has one module, with a writer, a reader and the error that the reader raises.
"""
