//! Lists of media types, as `a=accept-types` has them.

/// Whether one entry of a list covers this type (RFC 4975 §8.6): `*`, `type/*` or `type/subtype`, whatever the case;
/// parameters of either do not count.
pub fn covers(entry: &str, media_type: &str) -> bool {
    let (entry, media_type) = (bare(entry), bare(media_type));
    match entry.strip_suffix("/*") {
        _ if entry == "*" => true,
        Some(kind) => media_type.split('/').next().is_some_and(|have| have.eq_ignore_ascii_case(kind)),
        None => entry.eq_ignore_ascii_case(media_type),
    }
}

/// Whether any entry of the list does.
pub fn accepts(list: &[String], media_type: &str) -> bool {
    list.iter().any(|entry| covers(entry, media_type))
}

/// The type without its parameters.
pub fn bare(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_types_ignore_case_and_parameters_and_know_two_wildcards() {
        let list = ["image/*".to_owned(), "text/plain;charset=utf-8".to_owned()];
        assert!(accepts(&list, "IMAGE/jpeg") && accepts(&list, "Text/Plain; format=flowed"));
        assert!(!accepts(&list, "text/html") && !accepts(&list, "imagery/x") && accepts(&["*".to_owned()], "x/y"));
        assert!(!covers("text/pl*", "text/plain"));
    }
}
