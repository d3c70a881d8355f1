//! Escaping of what stands in URLs (RFC 3986, section 2.1).

/// Escapes a value for a path segment or a query. Colons stay, for ids such as `fed:lab`.
#[must_use]
pub(crate) fn escape(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(escape).collect()
}

/// What an escaped path segment stands for; `None` if an escape is cut or it is no UTF-8.
pub(crate) fn unescape(segment: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let (digits, others) = rest.split_at_checked(2)?;
        let [high, low] = [char::from(digits[0]).to_digit(16)?, char::from(digits[1]).to_digit(16)?];
        out.push(u8::try_from(high * 16 + low).ok()?);
        rest = others;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};

    #[test]
    fn what_is_escaped_comes_back() {
        for value in ["fed:lab", "fed:a/b?c=d&e%2F+f", "ü", ""] {
            assert_eq!(unescape(&escape(value)).as_deref(), Some(value));
        }
        assert_eq!(escape("a/b+c"), "a%2Fb%2Bc");
    }

    #[test]
    fn nonsense_is_refused() {
        for segment in ["%", "%2", "%g0", "%+1", "%ff"] {
            assert_eq!(unescape(segment), None, "{segment}");
        }
    }
}
