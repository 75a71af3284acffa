"""The signs that stand for links, masked accounts and references in a normalised text.

They lie in Unicode's private use area and are taken out of what people send, so that nobody can
write one. One sign is one word to the features, and takes part in the n-grams around it.
"""

LINK = "\ue001"
LINK_SHORTENED = "\ue002"
LINK_CHEAP_DOMAIN = "\ue003"
LINK_MESSENGER = "\ue004"
LINK_ADDRESS = "\ue005"
EMAIL = "\ue006"
MASKED_NUMBER = "\ue007"
REFERENCE = "\ue008"

LINKS = (LINK, LINK_SHORTENED, LINK_CHEAP_DOMAIN, LINK_MESSENGER, LINK_ADDRESS)
