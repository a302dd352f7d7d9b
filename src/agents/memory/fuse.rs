//! Two rankings as one. Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank
//! Learning Methods", SIGIR 2009. Pure.

use std::collections::HashMap;

/// How little the very first places count more than those behind them; the value of the paper.
const K: f64 = 60.0;

/// The ids of all `rankings` (best first each), best first, with the sum of `1 / (60 + rank)`; ties are in the order of ids.
pub fn fused(rankings: &[Vec<String>]) -> Vec<(String, f64)> {
    let mut scores: HashMap<&str, f64> = HashMap::new();
    for ranking in rankings {
        for (id, rank) in ranking.iter().zip(1_u32..) {
            *scores.entry(id).or_default() += 1.0 / (K + f64::from(rank));
        }
    }
    let mut all: Vec<(String, f64)> = scores.into_iter().map(|(id, score)| (id.to_owned(), score)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_know_comes_first() {
        let of = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let all = fused(&[of(&["a", "b", "c"]), of(&["d", "b"])]);
        assert_eq!(all.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["b", "a", "d", "c"]);
        assert!((all[0].1 - 2.0 / 62.0).abs() < 1e-12);
        assert!(fused(&[]).is_empty());
    }
}
