"""Daily inference: the texts of all active authors become one published version of vectors.

    texts -> chunks -> parts -> version (shards, manifest, ANN indexes) -> checks -> store -> live

Each arrow can be killed and started again. `job.run` makes a version, `publish.publish` brings it live.
Shapes: M texts in hand, A authors, D dimensions, Q queries, K places, C categories.
"""
