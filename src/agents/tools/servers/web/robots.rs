//! What a host's robots.txt disallows to everybody (RFC 9309): the rules of the groups for `*`, the longest rule wins.

use reqwest::Url;

use super::super::super::Site;
use super::client::get;
use crate::domain::limits;

/// The rules of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// A beginning of paths, and whether they are allowed.
    rules: Vec<(String, bool)>,
}

/// The rules of the host of `url`; a host without them allows everything.
pub async fn of(site: &Site<'_>, url: &Url) -> Rules {
    let Ok(place) = url.join("/robots.txt") else { return Rules::default() };
    match get(site, place.as_str(), limits::ROLE_FILE_BYTES).await {
        Ok(page) => Rules::parse(&String::from_utf8_lossy(&page.body)),
        Err(_) => Rules::default(),
    }
}

impl Rules {
    fn parse(text: &str) -> Self {
        let (mut rules, mut is_for_all, mut was_agent) = (Vec::new(), false, false);
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "user-agent" => {
                    is_for_all = value == "*" || (was_agent && is_for_all);
                    was_agent = true;
                    continue;
                }
                "disallow" if is_for_all && !value.is_empty() => rules.push((value.to_owned(), false)),
                "allow" if is_for_all && !value.is_empty() => rules.push((value.to_owned(), true)),
                _ => {}
            }
            was_agent = false;
        }
        Self { rules }
    }

    /// Whether the path may be read.
    pub fn allow(&self, path: &str) -> bool {
        let fits = |rule: &str| match rule.split_once('*') {
            None => rule.strip_suffix('$').map_or_else(|| path.starts_with(rule), |whole| path == whole),
            // What is behind a star is looked for anywhere; more stars than one are rare, and taken for that.
            Some((start, rest)) => {
                let rest = rest.trim_end_matches(['*', '$']);
                path.strip_prefix(start).is_some_and(|behind| behind.contains(rest))
            }
        };
        let best = self.rules.iter().filter(|(rule, _)| fits(rule)).max_by_key(|(rule, allows)| (rule.len(), *allows));
        best.is_none_or(|(_, allows)| *allows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_for_everybody_wins() {
        let rules = Rules::parse(
            "User-agent: greedy\nDisallow: /\n\nUser-agent: other\nUser-agent: *\nDisallow: /private # no\nAllow: /private/open\n\
             Disallow: /*.pdf$\nDisallow:\n",
        );
        assert!(rules.allow("/") && rules.allow("/public") && rules.allow("/private/open/x"));
        assert!(!rules.allow("/private/x") && !rules.allow("/a/b.pdf"));
        assert!(Rules::default().allow("/anything"));
    }
}
