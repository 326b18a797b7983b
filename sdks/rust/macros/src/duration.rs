//! The macro `duration!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitFloat, LitInt, LitStr, Result};

const NANOS: u64 = 1_000_000_000;

/// Nanoseconds of each unit. Months and years are those of the average calendar.
const UNITS: [(&[&str], u64); 10] = [
    (&["ns", "nsec", "nanos"], 1),
    (&["us", "usec", "micros"], 1_000),
    (&["ms", "msec", "millis"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], NANOS),
    (&["m", "min", "mins", "minute", "minutes"], 60 * NANOS),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600 * NANOS),
    (&["d", "day", "days"], 86_400 * NANOS),
    (&["w", "wk", "week", "weeks"], 604_800 * NANOS),
    (&["M", "month", "months"], 2_630_016 * NANOS),
    (&["y", "yr", "year", "years"], 31_557_600 * NANOS),
];

pub(crate) fn expand(tokens: &TokenStream) -> Result<TokenStream> {
    let (text, span) = if let Ok(text) = syn::parse2::<LitStr>(tokens.clone()) {
        (text.value(), text.span())
    } else if let Ok(number) = syn::parse2::<LitInt>(tokens.clone()) {
        let unit = if number.suffix().is_empty() {
            "s"
        } else {
            number.suffix()
        };
        (format!("{}{unit}", number.base10_digits()), number.span())
    } else if let Ok(number) = syn::parse2::<LitFloat>(tokens.clone()) {
        return Err(syn::Error::new(number.span(), EXPECTED));
    } else {
        return Err(syn::Error::new(proc_macro2::Span::call_site(), EXPECTED));
    };
    let nanos = parse(&text).ok_or_else(|| syn::Error::new(span, EXPECTED))?;
    let (seconds, nanos) = (nanos / u128::from(NANOS), nanos % u128::from(NANOS));
    let range = |_| syn::Error::new(span, "the duration is too long");
    let seconds = u64::try_from(seconds).map_err(range)?;
    let nanos = u32::try_from(nanos).map_err(range)?;
    Ok(quote!(const { ::core::time::Duration::new(#seconds, #nanos) }))
}

const EXPECTED: &str = "expected a duration: a text such as \"1h 30m\", a number with a unit such \
                        as 500ms, or a whole number of seconds";

/// Nanoseconds; none if the text is not a list of numbers with units.
fn parse(text: &str) -> Option<u128> {
    let mut total = 0u128;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u128 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|letter: char| !letter.is_ascii_alphabetic());
        let (unit, after) = rest.split_at(letters.unwrap_or(rest.len()));
        let (_, nanos) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        total = total.checked_add(number.checked_mul(u128::from(*nanos))?)?;
        rest = after.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_as_people_write_them() {
        let check = |text: &str, millis: Option<u128>| {
            let expected = millis.map(|millis| millis * 1_000_000);
            assert_eq!(parse(text), expected, "{text:?}");
        };
        check("1000ms", Some(1000));
        check("1h 30m", Some(5_400_000));
        check("2days 3 hours", Some(183_600_000));
        check("1s500ms", Some(1500));
        check("", None);
        check("5", None);
        check("5 parsecs", None);
        check("1.5s", None);
        check("-1s", None);
        check("340282366920938463463374607431768211455y", None);
    }
}
