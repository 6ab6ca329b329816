"""Sizes that are the same in every world: language packs and kernels are made for them."""

N_CATEGORIES = 20
TOPICS_PER_CATEGORY = 12
N_TOPICS = N_CATEGORIES * TOPICS_PER_CATEGORY
MAX_SLOTS = 200  # eight seconds each: a session ends within its hour
MAX_TRIES = 60  # candidates that a channel draws for a page; kernels have room for all channels'
