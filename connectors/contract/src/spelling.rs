//! The two spellings of a key: operators may write either, and each side of the wire has its own.

/// A key of a configuration as it is kept: `bot_name` for `botName`.
pub fn snake_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            if !out.is_empty() {
                out.push('_');
            }
            out.push(letter.to_ascii_lowercase());
        } else {
            out.push(letter);
        }
    }
    out
}

/// The same key as programs in a browser write it: `botName` for `bot_name`.
pub fn camel_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut up = false;
    for letter in key.chars() {
        match letter {
            '_' => up = true,
            letter if up => {
                out.push(letter.to_ascii_uppercase());
                up = false;
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_there_and_back() {
        for (snake, camel) in [("bot_name", "botName"), ("look", "look"), ("a_b_c", "aBC"), ("", "")] {
            assert_eq!((camel_case(snake), snake_case(camel)), (camel.to_owned(), snake.to_owned()));
        }
        assert_eq!(snake_case("Upper"), "upper");
    }
}
