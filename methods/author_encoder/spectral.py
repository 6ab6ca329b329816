"""Token vectors to start from: tokens that stand in the same texts point the same way.

Texts by tokens, log counts times inverse document frequency, each text of length one; the right singular vectors times
their singular values, each token's of length one. With the frequencies of tokens that "sif" pooling takes account of,
they tell texts apart before anything is trained, which the states of a language model of a minute do not.

Reference: Deerwester et al. 1990, doi:10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9 (LSA).
Shapes: R texts, V tokens, H dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer


def token_vectors(
    rows: Sequence[Sequence[int]], n_tokens: int, n_dimensions: int, *, luck: np.random.Generator
) -> NDArray[np.float32]:
    """Return unit vectors (V, H) of tokens from texts as ids; tokens and dimensions beyond what texts have are random.

    Random parts are small, so that they tell tokens apart and say nothing else.
    """
    text_T = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    token_T = np.fromiter((i for row in rows for i in row), np.int64)
    count_RV = sp.csr_matrix((np.ones(len(token_T), np.float32), (text_T, token_T)), shape=(len(rows), n_tokens))
    vectors_VH = luck.normal(0, 1e-6, (n_tokens, n_dimensions)).astype(np.float32)
    n_found = min(n_dimensions, min(count_RV.shape) - 1)
    if n_found > 0:
        weight_RV = TfidfTransformer(sublinear_tf=True).fit_transform(count_RV)
        svd = TruncatedSVD(n_found, random_state=int(luck.integers(2**31))).fit(weight_RV)
        vectors_VH[:, :n_found] += (svd.components_ * svd.singular_values_[:, None]).T.astype(np.float32)
    unit_VH: NDArray[np.float32] = vectors_VH / np.linalg.norm(vectors_VH, axis=1, keepdims=True)
    return unit_VH
