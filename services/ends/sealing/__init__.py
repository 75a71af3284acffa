"""Sealing: how one end makes a message readable to another end and to nobody between them.

The order of things, the same for every end:

    content bytes ── commitments.commit ──▶ commitment ──▶ policy signs it into a clearance
    content bytes, franking key ── envelopes.pack ──▶ padded plaintext
    padded plaintext ── sessions.Session.seal ──▶ Olm ciphertext ── the road ──▶
    Olm ciphertext ── sessions.Session.open ──▶ padded plaintext ── envelopes.unpack ──▶ content
    commitments.opens and clearances.check: it is what policy screened, for me, from that business

Nothing here stores anything or talks to anybody. The one rule for those who do: the state of an
account or session is stored *before* what it sealed leaves, and before what it opened is acked, so
that a crash can skip a key but never use one twice.
"""
