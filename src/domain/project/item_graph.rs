//! The items of a `foreach` as a graph of their own: each item may name the items that must be done before it. This is how a
//! plan that an agent made becomes tasks. Pure.

use std::collections::HashMap;

use serde_json::Value;

use crate::domain::limits;
use crate::domain::workflow::{Graph, ItemGraph, did_you_mean};

/// For each item the positions of those that it needs, or what is wrong with the list in words.
pub(super) fn needs_of(graph: &ItemGraph, items: &[Value]) -> Result<Vec<Vec<u32>>, String> {
    let mut ids: HashMap<&str, u32> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let id = item.get(&graph.id).and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| format!("item {at} has no text `{}` to be named by", graph.id))?;
        if let Some(first) = ids.insert(id, at as u32) {
            return Err(format!("items {first} and {at} have the same `{}`: {id:?}", graph.id));
        }
    }
    let mut edges = Vec::new();
    let mut all = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let mut needs = Vec::new();
        for name in names_in(graph, item, at)? {
            let need = *ids.get(name).ok_or_else(|| {
                let near = did_you_mean(name, ids.keys().copied()).unwrap_or_default();
                format!("item {at} needs {name:?}, which is not an item. {near}").trim_end().to_owned()
            })?;
            if !needs.contains(&need) {
                needs.push(need);
                edges.push((need, at as u32));
            }
        }
        all.push(needs);
    }
    if edges.len() > limits::EDGES_PER_PROJECT {
        return Err(format!(
            "{} needs are more than the {} that a project may have",
            edges.len(),
            limits::EDGES_PER_PROJECT
        ));
    }
    match Graph::new(items.len(), &edges).topological_order() {
        Ok(_) => Ok(all),
        Err(cycle) => {
            let name = |at: &u32| items[*at as usize].get(&graph.id).and_then(Value::as_str).unwrap_or_default();
            let path: Vec<&str> = cycle.iter().chain(cycle.first()).map(name).collect();
            Err(format!("items need each other in a circle: {}", path.join(" -> ")))
        }
    }
}

fn names_in<'i>(graph: &ItemGraph, item: &'i Value, at: usize) -> Result<Vec<&'i str>, String> {
    let wrong = || format!("`{}` of item {at} is not a list of texts", graph.needs);
    match item.get(&graph.needs) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needs(items: Value) -> Result<Vec<Vec<u32>>, String> {
        let graph = ItemGraph { id: "id".to_owned(), needs: "needs".to_owned() };
        needs_of(&graph, items.as_array().unwrap())
    }

    #[test]
    fn items_need_items_by_name() {
        let found = needs(json!([{"id": "b", "needs": ["a", "a"]}, {"id": "a"}, {"id": "c", "needs": null}]));
        assert_eq!(found, Ok(vec![vec![1], vec![], vec![]]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |items: Value| needs(items).unwrap_err();
        assert_eq!(wrong(json!([{"name": "a"}])), "item 0 has no text `id` to be named by");
        assert_eq!(wrong(json!([{"id": "a"}, {"id": "a"}])), "items 0 and 1 have the same `id`: \"a\"");
        assert_eq!(wrong(json!([{"id": "a", "needs": "b"}])), "`needs` of item 0 is not a list of texts");
        let unknown = wrong(json!([{"id": "parser"}, {"id": "b", "needs": ["parsr"]}]));
        assert!(
            unknown.starts_with("item 1 needs \"parsr\", which is not an item.") && unknown.contains("parser"),
            "{unknown}"
        );
        let circle = wrong(json!([{"id": "a", "needs": ["b"]}, {"id": "b", "needs": ["a"]}]));
        assert!(circle.contains("a -> b -> a") || circle.contains("b -> a -> b"), "{circle}");
    }
}
