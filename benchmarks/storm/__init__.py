"""A storm: a live lab under every kind of attack at once, while people go on to sign in and talk."""
