"""The table of targets: every statistic of the card, what was published, the accepted band, and where it is from.

Bands are this project's judgement around the published value (notes on simulators, section 4); all are fixed here and
bend for no world. "Ours" are figures that we computed from published tables. Response rates and amounts of
single-column short video are no target of a note feed; the shapes of return, activity, following and publishing are
targets of both presets.
"""

from __future__ import annotations

from bench.realism.supply_targets import SUPPLY
from bench.realism.target import Target
from bench.realism.usage_targets import USAGE

TARGETS: tuple[Target, ...] = (*USAGE, *SUPPLY)
SOURCES: dict[str, str] = {
    "KuaiRand-Pure": "KuaiRand-Pure (doi:10.1145/3511808.3557624), 1,436,609 rows, counted in KuaiSim's notebook; its "
    "return gaps are overstated, as only events on candidates are kept",
    "KuaiRand, ours": "computed by us from the user and video features of KuaiRand-Pure: a sample of active users",
    "KuaiRec": "KuaiRec (arXiv:2202.10842), big matrix, statistics notebook: a sample of users",
    "Yambda-5B": "Yambda-5B: 89,334,605 likes on 4,649,567,411 listens, another domain. A listen is an item consumed: "
    "every impression where videos play by themselves, an opened note where covers are shown",
    "MovieLens-1M": "weishuz.com on MovieLens-1M: ratings per user, slope of the share above",
    "Wang": "Wang Shusen's lectures on Xiaohongshu: illustrative examples and the industry's definitions",
    "Ochoa & Duval": "Ochoa and Duval 2008, user-generated content, as summarised on downes.ca",
    "Strauss et al.": "Strauss, Yang and Mazzucato 2025, arXiv:2509.26523: creators' earnings, exponent of the density",
    "TikTok blog": "tiktokodds.com, 2020: views of about 20,000 videos; a weak source",
    "Niconico": "21 million videos, abstract of 2025",
    "Graffius": "Graffius 2018, a compilation, and a later summary of it",
    "YouTube 2008": "related videos of YouTube, 2008, as reported by a Caltech blog",
    "com-youtube": "KONECT, com-youtube",
    "Jiang": "field experiment on anonymous upvotes, 12,128 people (Jiang)",
    "ICIS 2024": "two-sided experiments on a video platform, ICIS 2024",
    "assumption": "an assumption of this project: no trustworthy number is published",
    "none": "no published figure found",
}
