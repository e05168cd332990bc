"""The methods alone, over frames, in the field's usual shape: ``fit``, ``recommend``, ``next_items``, ``save``, ``load``."""

from shelfwise.candidates.estimators._als import ImplicitALS
from shelfwise.candidates.estimators._base import Estimator, ItemToItem
from shelfwise.candidates.estimators._behaviour import BuyAgain, SessionKNN, Trending
from shelfwise.candidates.estimators._ease import Ease
from shelfwise.candidates.estimators._knn import Complements, ContentKNN, ItemKNN

__all__ = [
    "BuyAgain",
    "Complements",
    "ContentKNN",
    "Ease",
    "Estimator",
    "ImplicitALS",
    "ItemKNN",
    "ItemToItem",
    "SessionKNN",
    "Trending",
]
