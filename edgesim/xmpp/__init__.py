"""XMPP as an MRA edge carries it: streams, SASL, stanzas, sessions; the XCP link; the SOAP sign-in documents."""
