//! Phone numbers: one written form for one person, whichever way the number came in.
//!
//! A conversation is told apart by its `userPhone` tag, so webhooks and `startConversation` must write the
//! same number alike: `+` and E.164 digits, Argentina as `+549…`, Mexico as `+521…` (the forms under which
//! WhatsApp itself knows mobile numbers there).

/// Country codes after which a leading zero is part of the number itself.
const KEEPS_ZERO: [&str; 6] = ["39", "378", "225", "229", "241", "242"];

/// A number as the provider names it in a webhook (`wa_id`, digits): taken as it is, apart from the two
/// special countries. Text that is not a number is returned unchanged.
pub(crate) fn of_wa_id(wa_id: &str) -> String {
    if wa_id.is_empty() || !wa_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return wa_id.to_owned();
    }
    special(wa_id).unwrap_or_else(|| ["+", wa_id].concat())
}

/// A number as a bot or person writes it: international, with or without `+` or `00`, separators allowed.
/// `None` unless 7 to 15 digits are left.
pub(crate) fn of_text(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.chars().all(|letter| letter.is_ascii_digit() || " +-().\u{a0}/".contains(letter)) {
        return None;
    }
    let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if !text.starts_with('+') && digits.starts_with("00") {
        digits.drain(..2);
    }
    if digits.starts_with('0') {
        return None;
    }
    let number = special(&digits).unwrap_or_else(|| {
        let code = country_code(&digits);
        let (country, national) = digits.split_at(code);
        let national =
            if KEEPS_ZERO.contains(&country) { national } else { national.trim_start_matches('0') };
        format!("+{country}{national}")
    });
    (8..=16).contains(&number.len()).then_some(number)
}

/// Argentina and Mexico.
fn special(digits: &str) -> Option<String> {
    if let Some(national) = digits.strip_prefix("54") {
        let mut national = national.trim_start_matches('0');
        // The international mobile mark, then the domestic one; an Argentine number has ten digits without them.
        national = national.strip_prefix('9').unwrap_or(national).trim_start_matches('0');
        if national.len() > 10 {
            national = national.strip_prefix("15").unwrap_or(national).trim_start_matches('0');
        }
        return Some(format!("+549{}", without_domestic_mark(national)));
    }
    if let Some(national) = digits.strip_prefix("52") {
        let mut national = national.trim_start_matches('0');
        if national.len() > 10 {
            national = national.strip_prefix('1').unwrap_or(national).trim_start_matches('0');
        }
        return Some(format!("+521{national}"));
    }
    None
}

/// An Argentine number without the `15` that domestic spelling puts after an area code of two to four digits.
fn without_domestic_mark(national: &str) -> String {
    if national.len() == 12 {
        for area in if national.starts_with("11") { 2..3 } else { 3..5 } {
            if let (Some(code), Some(rest)) = (national.get(..area), national.get(area..))
                && let Some(rest) = rest.strip_prefix("15")
            {
                return format!("{code}{rest}");
            }
        }
    }
    national.to_owned()
}

/// How many digits the country code has, after ITU-T E.164: no code is the beginning of another.
fn country_code(digits: &str) -> usize {
    let mut figures = digits.bytes();
    match (figures.next(), figures.next()) {
        (Some(b'1' | b'7'), _) => 1,
        (Some(first), Some(second)) => {
            let two = match first {
                b'2' => matches!(second, b'0' | b'7'),
                b'3' => matches!(second, b'0'..=b'4' | b'6' | b'9'),
                b'4' => second != b'2',
                b'5' => matches!(second, b'1'..=b'8'),
                b'6' => matches!(second, b'0'..=b'6'),
                b'8' => matches!(second, b'1' | b'2' | b'4' | b'6'),
                b'9' => matches!(second, b'0'..=b'5' | b'8'),
                _ => false,
            };
            if two { 2 } else { digits.len().min(3) }
        }
        _ => digits.len(),
    }
}

/// The number as the API takes it: digits only. A text without digits has no such form.
pub(crate) fn to_digits(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_numbers_become_e164() {
        let cases = [
            ("+1 (415) 555-2671", Some("+14155552671")),
            ("14155552671", Some("+14155552671")),
            ("0044 20 7946 0958", Some("+442079460958")),
            ("+44 (0)20 7946 0958", Some("+442079460958")),
            ("+54 9 11 2345-6789", Some("+5491123456789")),
            ("+54 11 2345 6789", Some("+5491123456789")),
            ("+54 011 15 2345 6789", Some("+5491123456789")),
            ("+54150111234567", Some("+549111234567")),
            ("+54001123456789", Some("+5491123456789")),
            ("+52 55 7475 9563", Some("+5215574759563")),
            ("+52 1 55 7475 9563", Some("+5215574759563")),
            ("+5205574759563", Some("+5215574759563")),
            ("+39 06 1234 5678", Some("+390612345678")),
            ("+225 07 01 02 03 04", Some("+2250701020304")),
            ("+353 (0)86 123 4567", Some("+353861234567")),
            ("0171 234567", None),
            ("+12345", None),
            ("+1234567890123456", None),
            ("call me", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(of_text(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn webhook_and_written_form_agree() {
        for wa_id in ["15550002222", "5491123456789", "5215574759563", "390612345678", "447700900123"] {
            assert_eq!(Some(of_wa_id(wa_id)), of_text(wa_id), "{wa_id}");
        }
        assert_eq!(of_wa_id("525574759563"), "+5215574759563");
        assert_eq!(of_wa_id("US.1349"), "US.1349");
        assert_eq!(of_wa_id(""), "");
        assert_eq!(to_digits("+1 555").as_deref(), Some("1555"));
        assert_eq!(to_digits("x"), None);
    }
}
