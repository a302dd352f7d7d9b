//! Whether tasks that an answer lists can be put in an order: unique ids, known needs, no circle.

use std::collections::HashMap;

use crate::domain::limits;
use crate::domain::workflow::{Graph, did_you_mean};

/// One sentence for each fault of a list of things, each with its id and the ids of those that it needs. `what`: one of them.
pub(super) fn faults(what: &str, all: &[(&str, &[String])]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut places: HashMap<&str, u32> = HashMap::new();
    for (at, (id, _)) in all.iter().enumerate() {
        if places.insert(id, at as u32).is_some() {
            faults.push(format!("two {what}s have the id {id:?}"));
        }
    }
    let mut edges = Vec::new();
    for (at, (id, needs)) in all.iter().enumerate() {
        for need in *needs {
            match places.get(need.as_str()) {
                Some(before) => edges.push((*before, at as u32)),
                None => {
                    let near = did_you_mean(need, places.keys().copied()).map(|near| format!(". {near}"));
                    let near = near.unwrap_or_default();
                    faults.push(format!("{what} {id:?} needs {need:?}, and there is no such {what}{near}"));
                }
            }
        }
    }
    if faults.is_empty()
        && let Err(circle) = Graph::new(all.len(), &edges).topological_order()
    {
        // Each needs the next one, from the first by name on.
        let mut path: Vec<&str> = circle.iter().rev().map(|at| all[*at as usize].0).collect();
        let first = path.iter().enumerate().min_by_key(|(_, id)| **id).map_or(0, |(at, _)| at);
        path.rotate_left(first);
        path.extend(path.first().copied());
        faults.push(format!("{what}s need each other in a circle: {}", path.join(" -> ")));
    }
    faults.truncate(limits::SCHEMA_ERRORS);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&str, &[&str])]) -> Vec<String> {
        let owned: Vec<(&str, Vec<String>)> =
            all.iter().map(|(id, needs)| (*id, needs.iter().map(|need| (*need).to_owned()).collect())).collect();
        let all: Vec<(&str, &[String])> = owned.iter().map(|(id, needs)| (*id, needs.as_slice())).collect();
        faults("todo", &all)
    }

    #[test]
    fn what_cannot_be_put_in_an_order_is_said() {
        assert_eq!(of(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]), [""; 0]);
        let twice = of(&[("a", &[]), ("a", &["data-loadin"]), ("data-loading", &[])]);
        assert_eq!(twice[0], "two todos have the id \"a\"");
        assert!(twice[1].starts_with("todo \"a\" needs \"data-loadin\", and there is no such todo."), "{twice:?}");
        assert!(twice[1].contains("`data-loading`"), "the nearest is named: {twice:?}");
        let circle = of(&[("a", &["b"]), ("b", &["a"])]);
        assert!(circle[0].starts_with("todos need each other in a circle: "), "{circle:?}");
    }
}
