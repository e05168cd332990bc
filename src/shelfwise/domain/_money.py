"""Money is an integer in the currency's smallest unit; decimals exist only at the doors."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from shelfwise.domain._errors import InvalidField

# Currencies whose smallest unit is not a hundredth. Source: ISO 4217 list one, 2024.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_LARGEST = 10**15  # ten trillion in hundredths; above it, it is a mistake of the feed


def exponent(currency: str) -> int:
    """Decimal digits of the currency's smallest unit. Raises InvalidField for a malformed code."""
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise InvalidField("currency", currency, "an ISO 4217 code of three capitals, such as 'EUR'")
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal | float | int | str, currency: str, *, field: str = "price") -> int:
    """Smallest units of ``amount``. Surplus decimals are an error, not a rounding.

    Floats are read by their shortest decimal text, so 2.55 is 255 cents.
    """
    try:
        scaled = Decimal(str(amount)).scaleb(exponent(currency))
        whole = int(scaled) if scaled.is_finite() and abs(scaled) <= _LARGEST else None
    except InvalidOperation:
        whole = None
    if whole is None:
        raise InvalidField(field, amount, "a decimal number of at most 13 digits")
    if scaled != whole:
        digits = exponent(currency)
        raise InvalidField(field, amount, f"at most {digits} decimals for {currency}")
    return whole


def to_decimal(minor: int, currency: str) -> float:
    """The amount as people write it, e.g. 255 GBP -> 2.55. Exact to a float's 15 digits."""
    return float(Decimal(minor).scaleb(-exponent(currency)))
