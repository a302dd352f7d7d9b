//! Names with stars.

/// What each `*` of `pattern` stands for in `name`, each as short as can be; `None` when the name does not fit.
pub(super) fn captures(pattern: &str, name: &str) -> Option<Vec<String>> {
    let mut pieces = pattern.split('*');
    let mut rest = name.strip_prefix(pieces.next().unwrap_or_default())?;
    let mut stars = Vec::new();
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty().then_some(stars);
    };
    for piece in middle {
        let at = rest.find(piece)?;
        stars.push(rest[..at].to_owned());
        rest = &rest[at + piece.len()..];
    }
    stars.push(rest.strip_suffix(last)?.to_owned());
    Some(stars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let fits = |pattern, name| captures(pattern, name).map(|stars| stars.join("|"));
        for (pattern, name, wanted) in [
            ("plan", "plan", Some("")),
            ("plan", "planner", None),
            ("*", "", Some("")),
            ("*", "x", Some("x")),
            ("build-*", "build-a", Some("a")),
            ("build-*", "rebuild-a", None),
            ("*-*.rs", "a-b-c.rs", Some("a|b-c")),
            ("a*a", "a", None),
            ("**", "é", Some("|é")),
        ] {
            assert_eq!(fits(pattern, name).as_deref(), wanted, "{pattern} {name}");
        }
    }
}
