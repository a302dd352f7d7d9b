//! The items of a `foreach` as a graph of their own: each item may name the items that must be done before it. This is how a
//! plan that an agent made becomes tasks. Pure.

use std::collections::HashMap;

use serde_json::Value;

use crate::domain::ids::{Digest, TaskIx};
use crate::domain::limits;
use crate::domain::workflow::{Graph, ItemGraph, did_you_mean};

/// Something that an item needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Another item of the list, by its position.
    New(u32),
    /// An item that there was before.
    There(TaskIx),
}

impl Need {
    /// The task; `first` is that of the first item of the list.
    pub fn at(self, first: TaskIx) -> TaskIx {
        match self {
            Self::New(position) => TaskIx(first.0 + position),
            Self::There(task) => task,
        }
    }
}

/// Items with names of their own as they go on record: full ids. In front of an item's id stands its field `prefix`, else that of
/// the item that gives it, else the giver's id.
pub(super) fn placed(
    graph: &ItemGraph,
    items: Vec<Value>,
    giver: Option<&Value>,
    is_there: &dyn Fn(&str) -> bool,
) -> Result<Vec<Value>, String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    let of_giver = giver.and_then(|giver| text(giver.get("prefix")).or_else(|| text(giver.get(&graph.id))));
    let mut siblings: HashMap<String, String> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let id = named(graph, item, at)?;
        let full = under(text(item.get("prefix")).or_else(|| of_giver.clone()).as_deref(), id);
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !id.bytes().all(is_name) || full.len() > limits::NAME_BYTES {
            let most = limits::NAME_BYTES;
            return Err(format!(
                "the id {id:?} of item {at}: use letters, digits, `-`, `_` and `.`, at most {most} in all"
            ));
        }
        if is_there(&full) {
            return Err(format!("there is a task {full:?} already: give item {at} another id"));
        }
        siblings.insert(id.to_owned(), full);
    }
    let depth = giver.and_then(|giver| giver.get("depth")?.as_u64()).map_or(0, |depth| depth + 1);
    let mut all = Vec::with_capacity(items.len());
    for (at, mut item) in items.into_iter().enumerate() {
        let id = siblings[named(graph, &item, at)?].clone();
        let needs = names_in(graph, &item, at)?.into_iter();
        // A sibling of this list, a task by its full id, or a sibling that there was before.
        let needs: Vec<Value> = needs
            .map(|need| match siblings.get(need) {
                Some(sibling) => sibling.clone().into(),
                None if is_there(need) => need.into(),
                None => under(of_giver.as_deref(), need).into(),
            })
            .collect();
        let Value::Object(fields) = &mut item else { return Err(format!("item {at} is not an object")) };
        fields.insert(graph.id.clone(), id.into());
        fields.insert(graph.needs.clone(), needs.into());
        fields.entry("depth").or_insert_with(|| depth.into());
        if let Some(giver) = giver.and_then(|giver| giver.get(&graph.id)) {
            fields.insert("parent".to_owned(), giver.clone());
        }
        all.push(item);
    }
    Ok(all)
}

/// An id below `prefix`. Where the two are longer together than a name may be, a digest takes the place of what stands in the middle, so
/// that a tree of planners may have any depth: `root.-1f2e3d4c5b6a.title`. No id that an agent gives begins with a hyphen.
fn under(prefix: Option<&str>, id: &str) -> String {
    let Some(prefix) = prefix else { return id.to_owned() };
    let full = format!("{prefix}.{id}");
    if full.len() <= limits::NAME_BYTES {
        return full;
    }
    let top = prefix.split('.').next().unwrap_or_default();
    format!("{top}.-{}.{id}", &Digest::of(prefix.as_bytes()).to_hex()[..12])
}

fn named<'i>(graph: &ItemGraph, item: &'i Value, at: usize) -> Result<&'i str, String> {
    let id = item.get(&graph.id).and_then(Value::as_str).filter(|id| !id.is_empty());
    id.ok_or_else(|| format!("item {at} has no text `{}` to be named by", graph.id))
}

/// For each item those that it needs, or what is wrong with the list in words. `there`: the items that there were before.
pub(super) fn needs_of(
    graph: &ItemGraph,
    items: &[Value],
    there: &dyn Fn(&str) -> Option<TaskIx>,
) -> Result<Vec<Vec<Need>>, String> {
    let mut ids: HashMap<&str, u32> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let id = named(graph, item, at)?;
        if let Some(first) = ids.insert(id, at as u32) {
            return Err(format!("items {first} and {at} have the same `{}`: {id:?}", graph.id));
        }
    }
    let mut edges = Vec::new();
    let mut all = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let mut needs = Vec::new();
        for name in names_in(graph, item, at)? {
            let new = ids.get(name).copied().map(Need::New);
            let need = new.or_else(|| there(name).map(Need::There)).ok_or_else(|| {
                let near = did_you_mean(name, ids.keys().copied()).unwrap_or_default();
                format!("item {at} needs {name:?}, which is not an item. {near}").trim_end().to_owned()
            })?;
            if needs.contains(&need) {
                continue;
            }
            needs.push(need);
            if let Need::New(before) = need {
                edges.push((before, at as u32));
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

    fn graph() -> ItemGraph {
        ItemGraph { id: "id".to_owned(), needs: "needs".to_owned() }
    }

    fn needs(items: Value) -> Result<Vec<Vec<Need>>, String> {
        needs_of(&graph(), items.as_array().unwrap(), &|id| (id == "before").then_some(TaskIx(7)))
    }

    #[test]
    fn what_an_item_gives_stands_under_its_name() {
        let giver = json!({"id": "root.t2", "prefix": "root", "depth": 1});
        let list = json!([{"id": "a", "needs": ["b", "root.old", "old"]}, {"id": "b", "depth": 5}, {"id": "c", "prefix": "up"}]);
        let there = |id: &str| id == "root.old";
        let items = placed(&graph(), list.as_array().unwrap().clone(), Some(&giver), &there).unwrap();
        let a = json!({"id": "root.a", "needs": ["root.b", "root.old", "root.old"], "depth": 2, "parent": "root.t2"});
        assert_eq!(items[0], a);
        assert_eq!(items[1], json!({"id": "root.b", "depth": 5, "needs": [], "parent": "root.t2"}));
        assert_eq!(items[2]["id"], "up.c");
        let wrong = |id: &str| placed(&graph(), vec![json!({"id": id})], Some(&giver), &there).unwrap_err();
        assert!(wrong("old").contains("\"root.old\" already"), "{}", wrong("old"));
        assert!(wrong("a/../b").contains("use letters"), "{}", wrong("a/../b"));
    }

    #[test]
    fn a_tree_may_be_deeper_than_a_name_is_long() {
        let part = "a-part-that-is-narrower-than-it-"; // As long as an id may be.
        let mut there = std::collections::BTreeSet::new();
        let mut giver = json!({"id": "root"});
        for level in 1..=20 {
            let list = json!([{"id": part}, {"id": "note", "needs": [part]}]);
            let is_there = |id: &str| there.contains(id);
            let items = placed(&graph(), list.as_array().unwrap().clone(), Some(&giver), &is_there).unwrap();
            for item in &items {
                let id = item["id"].as_str().unwrap();
                assert!(id.len() <= limits::NAME_BYTES && id.starts_with("root."), "{id}");
                assert!(there.insert(id.to_owned()), "{id} is there twice");
            }
            assert_eq!(items[1]["needs"], json!([items[0]["id"]]), "level {level}");
            assert!(items[1]["id"].as_str().unwrap().ends_with(".note"), "the last part of a name stays");
            // What there was before is still found by the name that its planner knows it by.
            let later = json!([{"id": "later", "needs": ["note"]}]);
            let is_there = |id: &str| there.contains(id);
            let later = placed(&graph(), later.as_array().unwrap().clone(), Some(&giver), &is_there).unwrap();
            assert_eq!(later[0]["needs"], json!([items[1]["id"]]), "level {level}");
            giver = items[0].clone();
        }
        let long = "x".repeat(limits::NAME_BYTES + 1);
        let wrong = placed(&graph(), vec![json!({"id": long})], Some(&giver), &|_| false).unwrap_err();
        assert!(wrong.contains("use letters"), "{wrong}");
    }

    #[test]
    fn items_need_items_by_name() {
        let found = needs(json!([{"id": "b", "needs": ["a", "a", "before"]}, {"id": "a"}, {"id": "c", "needs": null}]));
        assert_eq!(found, Ok(vec![vec![Need::New(1), Need::There(TaskIx(7))], vec![], vec![]]));
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
