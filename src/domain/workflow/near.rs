//! Near misses: the known name that a person most likely meant.

/// With more candidates than this the search is not worth its time.
const CANDIDATES: usize = 10_000;

/// The candidate nearest to `wanted`, when it is near enough to be meant: at most about a third of the letters differ.
pub fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters = wanted.chars().count();
    let allowed = letters.div_ceil(3).clamp(1, 3);
    let lower = wanted.to_lowercase();
    candidates
        .into_iter()
        .take(CANDIDATES)
        .filter(|candidate| candidate.len().abs_diff(wanted.len()) <= 2 * allowed)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count().max(letters))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "Did you mean ...?" when there is a near miss.
pub fn did_you_mean<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(wanted, candidates).map(|candidate| format!("Did you mean `{candidate}`?"))
}

/// `a`, `b` and `c`, in backticks.
pub fn listed<'c>(names: impl IntoIterator<Item = &'c str>, conjunction: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        assert_eq!(nearest("need", ["needs", "run"]), Some("needs"));
        assert_eq!(nearest("buidl", ["build", "test"]), Some("build"));
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("Timeout", ["timeout"]), Some("timeout"));
        assert_eq!(listed(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
