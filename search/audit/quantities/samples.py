"""What samples of questions and of trials can show."""

from __future__ import annotations

from search.audit.quantity import formula, quantity

# (z(97.5%) + z(80%)) sqrt(2 p (1 - p) / n) with p = 1/2.
formula(
    "smallest_difference",
    "",
    "Difference of two shares near one half that this many questions show with a probability of 80%.",
    "(1.96 + 0.8416) * sqrt(0.5 / eval_questions)",
)
formula(
    "smallest_change",
    "",
    "The same for the questions that give retention its precision.",
    "(1.96 + 0.8416) * sqrt(0.5 / retention_questions)",
)
# Upper end of Wilson's 95% interval.
formula(
    "bound_of_none",
    "",
    "What 0 right answers can still mean with this many questions: upper end of the 95% interval.",
    "1.96 ** 2 / (eval_questions + 1.96 ** 2)",
)

# At the floor, a share (1 - floor) x base of the answers has gone from right to wrong, at least. Were these
# all changes, their number would have Poisson noise, and be within it where fewer than 1.96^2 are lost.
formula(
    "floor_losses",
    "questions",
    "Right answers that may be lost before the floor is reached, if the base answered all correctly.",
    "(1 - retention_floor) * retention_questions",
)
formula(
    "floor_base",
    "",
    "Share that the base must answer correctly for the floor to lie outside the noise.",
    "1.96 ** 2 / floor_losses",
)
formula(
    "noise_of_floor",
    "",
    "Half width of the 95% interval of retention at the floor, at least.",
    "1.96 * sqrt((1 - retention_floor) / retention_questions)",
)


@quantity("front_by_chance", "", "Share of trials on the Pareto front if objectives were unrelated noise.")
def _front_by_chance(trials: int, objectives: int) -> float:
    """Expected maxima among random vectors (Bentley et al., 1978, J. ACM 25(4)), over their number.

    mu(n, 1) = 1 and mu(n, d) = sum over k <= n of mu(k, d - 1) / k.
    """
    number = min(int(trials), 10_000)
    expected = [1.0] * number
    for _ in range(int(objectives) - 1):
        total = 0.0
        for index, below in enumerate(expected):
            total += below / (index + 1)
            expected[index] = total
    return expected[-1] / number


formula(
    "trials_per_parameter", "trials", "Trials for each searched parameter.", "trials / searched_parameters"
)
