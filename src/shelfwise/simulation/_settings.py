"""Every parameter of a simulated shop, with its unit and where its default comes from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from shelfwise.domain import InvalidField, Settings


class Holiday(Settings):
    """A day of the year that people shop for, or on which they do not."""

    name: str
    month: int = Field(ge=1, le=12)
    day: int = Field(ge=1, le=31)

    days_before: int = Field(0, ge=0, le=90)
    """How long before it the lift begins, in days; it grows in a straight line up to the day."""

    lift: float = Field(1.0, ge=0.0, le=10.0)
    """Visits on the day, relative to a usual one. Below 1 people stay away."""


HOLIDAYS = (
    Holiday(name="Valentine's Day", month=2, day=14, days_before=7, lift=1.2),
    Holiday(name="Black Friday", month=11, day=27, days_before=4, lift=1.8),
    Holiday(name="Christmas", month=12, day=18, days_before=30, lift=1.4),  # the last day for delivery
    Holiday(name="Christmas Day", month=12, day=25, lift=0.4),
)


class WorldSettings(Settings):
    """How shoppers of a simulated shop come, look, choose and leave.

    Shares and rates are fractions. A ``logit`` or ``gain`` is in log-odds: +0.7 doubles the odds. Values without a
    source are set so that the shop's funnel comes out near the published ones: 2 to 4 % of visits order, about 10 %
    fill a cart, and about 70 % of filled carts are left (Baymard Institute, mean of 50 studies: 70.2 %).
    """

    # --- who comes, and how often
    opens_us: int = Field(1_704_067_200_000_000, ge=0)
    """When the shop opens, UTC microseconds (2024-01-01). Nobody visits before."""

    initial_share: float = Field(0.3, ge=0.0, le=1.0)
    """Shoppers who know the shop when it opens. The others find it later."""

    arrival_days: float = Field(365.0, gt=0.0, le=20_000.0)
    """Days over which the others find it, evenly; each visits on that day."""

    visits_per_week: float = Field(0.5, gt=0.0, le=50.0)
    """Mean over shoppers of the visits of a week while they still come."""

    visit_shape: float = Field(0.553, ge=0.05, le=100.0)
    """Shape of the gamma distribution of that rate: lower, and few shoppers make most visits. With visits at random
    given the rate this is the NBD. Default: r of Pareto/NBD on CDNOW (Fader and Hardie 2005)."""

    churn_shape: float = Field(0.606, ge=0.05, le=100.0)
    """Shape of the gamma distribution of the hazard of leaving for ever. Default: s on CDNOW, as above."""

    churn_scale_weeks: float = Field(26.0, gt=0.0, le=100_000.0)
    """Its scale: half of the shoppers leave within scale * (2^(1/shape) - 1) weeks. CDNOW: 11.7, of purchases."""

    month_factors: tuple[float, ...] = Field((0.9, 0.9, 0.95, 0.95, 1.0, 0.95, 0.9, 0.9, 1.0, 1.1, 1.35, 1.1))
    """Visits by month, January first, relative to each other."""

    weekday_factors: tuple[float, ...] = Field((1.08, 1.06, 1.04, 1.02, 0.95, 0.85, 1.0))
    """Visits by weekday, Monday first, relative to each other."""

    # fmt: off
    hour_factors: tuple[float, ...] = Field((
        0.5, 0.3, 0.2, 0.15, 0.15, 0.2, 0.4, 0.7, 1.0, 1.2, 1.3, 1.3,
        1.3, 1.3, 1.25, 1.2, 1.2, 1.2, 1.3, 1.5, 1.7, 1.6, 1.2, 0.8,
    ))
    # fmt: on
    """Visits by hour of the shop's day (UTC), relative to each other."""

    holidays: tuple[Holiday, ...] = HOLIDAYS
    """Days that lift or lower visits."""

    # --- where from
    device_shares: tuple[float, float, float] = (0.65, 0.31, 0.04)
    """Shoppers by their main device: mobile, desktop, tablet (StatCounter, world, about 2024: 62, 36, 2 % of pages)."""

    second_device_share: float = Field(0.2, ge=0.0, le=1.0)
    """Visits made on another device than the main one."""

    home_country_share: float = Field(0.9, ge=0.0, le=1.0)
    """Shoppers of the first country; the others fall off as 1/rank. Online Retail II: 0.91 of its customers."""

    login_rate: float = Field(0.3, ge=0.0, le=1.0)
    """Visits that are signed in from the start. Whoever checks out is signed in from then on."""

    # --- what they like
    taste_weight: float = Field(0.8, ge=0.0, le=5.0)
    """Spread of an item's appeal over shoppers, log-odds a standard deviation. 0: all like the same."""

    taste_noise: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the variance of a taste that the favourite categories do not tell."""

    drift: float = Field(0.0, ge=0.0, le=1.0)
    """How far tastes and favourites have moved: share of shoppers who have turned to others."""

    brand_weight: float = Field(0.3, ge=0.0, le=5.0)
    """Spread of the appeal of one brand over shoppers, log-odds."""

    price_elasticity: float = Field(2.62, ge=0.0, le=10.0)
    """Median over shoppers of the log-odds lost as the price doubles, over log 2: near the elasticity of demand
    where odds are small (Bijmolt, van Heerde and Pieters 2005: mean 2.62 of 1,851)."""

    elasticity_sigma: float = Field(0.4, ge=0.0, le=2.0)
    """Spread of its logarithm over shoppers."""

    wholesale_share: float = Field(0.0, ge=0.0, le=1.0)
    """Shoppers who buy for their own shop: other intents, baskets and quantities."""

    # --- what a visit is for
    intent_shares: tuple[float, float, float, float] = (0.74, 0.16, 0.06, 0.04)
    """Visits that browse, have a list of needs, want their regular items again, look for a gift."""

    wholesale_intent_shares: tuple[float, float, float, float] = (0.2, 0.6, 0.2, 0.0)
    """The same of wholesale shoppers."""

    gift_lift: float = Field(2.0, ge=0.0, le=20.0)
    """By how much a day's lift above 1 from holidays raises the odds of gift visits: odds * (1 + gift_lift * lift)."""

    browse_lists: float = Field(2.0, ge=1.0, le=20.0)
    """Mean lists seen by a visit that browses or looks for a gift (geometric)."""

    basket_median: float = Field(1.5, gt=0.0, le=200.0)
    """Median needs of a visit with a list or for regular items (lognormal, rounded up, at most ``max_needs``)."""

    wholesale_basket_median: float = Field(20.0, gt=0.0, le=200.0)
    """The same of wholesale shoppers."""

    basket_sigma: float = Field(0.7, ge=0.0, le=3.0)
    """Spread of the logarithm of needs from visit to visit."""

    basket_between_sigma: float = Field(0.4, ge=0.0, le=3.0)
    """Spread of the logarithm of needs from shopper to shopper."""

    max_needs: int = Field(200, ge=1, le=200)
    """Most needs of a visit; an event carries at most 200 lines."""

    focus: float = Field(0.7, ge=0.0, le=1.0)
    """Needs that are in one of the shopper's favourite categories; the others are as everyone's."""

    staples: int = Field(8, ge=0, le=64)
    """Regular items of a shopper."""

    staple_skew: float = Field(1.0, ge=0.0, le=4.0)
    """A shopper needs their n-th regular item in proportion to n^-skew."""

    staple_days: float = Field(240.0, gt=0.0, le=100_000.0)
    """How long a regular item stays one, in days."""

    staple_rate: float = Field(0.15, ge=0.0, le=1.0)
    """Needs that are for a regular item, in visits with a list."""

    repurchase_staple_rate: float = Field(0.85, ge=0.0, le=1.0)
    """The same in visits for regular items."""

    complement_rate: float = Field(0.15, ge=0.0, le=1.0)
    """Needs that are for a complement of the last item put into the cart, where it has any."""

    search_share: float = Field(0.3, ge=0.0, le=1.0)
    """Lists reached by a search; the others are category pages."""

    direct_share: float = Field(0.4, ge=0.0, le=1.0)
    """Needs for a certain item that go straight to its page; the others search for it."""

    # --- what is shown to them
    list_size: int = Field(20, ge=1, le=30)
    """Positions of a search or category page that a visit can see."""

    popularity_exponent: float = Field(1.0, ge=0.0, le=3.0)
    """Lists draw items in proportion to popularity^exponent: higher, and sales are more concentrated."""

    growth_days: float = Field(21.0, gt=0.0, le=1_000.0)
    """A new item's place in lists grows as 1 - exp(-age / growth_days)."""

    season_gain: float = Field(1.5, ge=0.0, le=5.0)
    """Log-odds of a seasonal item on its day, against half a year later."""

    season_days: float = Field(30.0, gt=0.0, le=183.0)
    """Spread of a season around its day (standard deviation of the bell), in days."""

    # --- what they look at
    examination: Literal["position", "cascade"] = "position"
    """``position``: each position is looked at by its own chance. ``cascade``: from the top until they stop."""

    position_bias: float = Field(1.0, ge=0.0, le=5.0)
    """Position k is looked at with chance k^-bias (1: Joachims, Swaminathan and Schnabel 2017). ``position`` only."""

    continue_unclicked: float = Field(0.85, ge=0.0, le=1.0)
    """Chance to look further after an item that was not clicked. ``cascade`` only (Guo, Liu and Wang 2009: DCM)."""

    continue_clicked: float = Field(0.6, ge=0.0, le=1.0)
    """Chance to look further after a click: 1 less what satisfies. ``cascade`` only."""

    notice_rates: tuple[float, float, float, float, float, float] = (1.0, 0.6, 0.5, 0.5, 1.0, 1.0)
    """Chance that the first position of a list is looked at, by place in LISTS; further ones are in proportion."""

    # --- what they do
    click_logit: float = Field(-3.0, ge=-10.0, le=10.0)
    """Click on an item of no particular appeal, once looked at (0.05)."""

    cart_logits: tuple[float, float, float, float] = (-6.3, -5.1, -3.7, -5.5)
    """Weight of a clicked item of no particular appeal against none of them (weight 1), by intent."""

    wholesale_cart_gain: float = Field(4.0, ge=-10.0, le=10.0)
    """Added to it for wholesale shoppers."""

    match_gain: float = Field(0.8, ge=-5.0, le=5.0)
    """Appeal added to items of the category looked for."""

    target_gain: float = Field(2.0, ge=0.0, le=10.0)
    """Appeal added to the very item looked for."""

    staple_gain: float = Field(1.0, ge=0.0, le=10.0)
    """Appeal added to the shopper's regular items, always."""

    complement_gain: float = Field(1.2, ge=-5.0, le=5.0)
    """Appeal added to complements of what lies in the cart or is looked at."""

    substitute_gain: float = Field(0.4, ge=-5.0, le=5.0)
    """Appeal added to substitutes of these."""

    repeat_gain: float = Field(-4.0, ge=-10.0, le=5.0)
    """Appeal added to what lies in the cart already, or was just looked at."""

    checkout_rates: tuple[float, float, float, float] = (0.12, 0.3, 0.42, 0.25)
    """Filled carts that are paid for, by intent."""

    wholesale_checkout_rate: float = Field(0.8, ge=0.0, le=1.0)
    """The same of wholesale shoppers, whatever the intent."""

    begin_rate: float = Field(0.4, ge=0.0, le=1.0)
    """Carts not paid for whose checkout is begun all the same."""

    quantity_median: float = Field(0.8, gt=0.0, le=1_000.0)
    """Median units of a line before rounding up (lognormal)."""

    wholesale_quantity_median: float = Field(5.0, gt=0.0, le=1_000.0)
    """The same of wholesale shoppers."""

    quantity_sigma: float = Field(0.5, ge=0.0, le=3.0)
    """Spread of the logarithm of units."""

    pace_s: float = Field(20.0, gt=0.0, le=600.0)
    """Mean seconds from one event of a visit to the next (exponential)."""

    @model_validator(mode="after")
    def _tables(self) -> Self:
        for name, length in (("month_factors", 12), ("weekday_factors", 7), ("hour_factors", 24)):
            _require_weights(name, getattr(self, name), length)
        for name in ("device_shares", "intent_shares", "wholesale_intent_shares"):
            _require_weights(name, getattr(self, name), len(getattr(self, name)))
        for name in ("notice_rates", "checkout_rates"):
            if not all(0.0 <= rate <= 1.0 for rate in getattr(self, name)):
                raise InvalidField(name, getattr(self, name), "rates in [0, 1]")
        return self


def _require_weights(name: str, weights: tuple[float, ...], length: int) -> None:
    if len(weights) != length or min(weights) < 0.0 or sum(weights) <= 0.0:
        raise InvalidField(name, weights, f"{length} weights of at least 0, one of them above")
