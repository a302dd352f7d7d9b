//! Directed graphs in compressed rows: order, cycles, levels and longest paths in O(nodes + edges), without recursion.
//!
//! Nodes are numbers; what they stand for is the caller's business. Shared by validation, drawing and the engine.

/// A directed graph with `n` nodes. An edge `(a, b)` says that `a` comes before `b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    successors: Rows,
    predecessors: Rows,
}

/// Adjacency in compressed rows: the neighbours of `i` are `targets[starts[i]..starts[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Rows {
    fn new(n: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0u32; n + 1];
        for (from, _) in edges.clone() {
            starts[from as usize + 1] += 1;
        }
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut targets = vec![0; starts[n] as usize];
        for (from, to) in edges {
            targets[next[from as usize] as usize] = to;
            next[from as usize] += 1;
        }
        Self { starts, targets }
    }

    fn of(&self, node: u32) -> &[u32] {
        &self.targets[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }
}

impl Graph {
    /// Builds the graph. Every edge must join nodes below `n`; parallel edges are kept.
    ///
    /// # Panics
    /// When an edge names a node that does not exist.
    pub fn new(n: usize, edges: &[(u32, u32)]) -> Self {
        assert!(edges.iter().all(|(a, b)| (*a as usize) < n && (*b as usize) < n), "an edge names a node past the end");
        let backward = edges.iter().map(|(from, to)| (*to, *from));
        Self { successors: Rows::new(n, edges.iter().copied()), predecessors: Rows::new(n, backward) }
    }

    /// How many nodes.
    pub fn len(&self) -> usize {
        self.successors.starts.len() - 1
    }

    /// Whether it has no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many edges.
    pub fn edges(&self) -> usize {
        self.successors.targets.len()
    }

    /// What comes directly after `node`, in the order the edges were given.
    pub fn successors(&self, node: u32) -> &[u32] {
        self.successors.of(node)
    }

    /// What comes directly before `node`, in the order the edges were given.
    pub fn predecessors(&self, node: u32) -> &[u32] {
        self.predecessors.of(node)
    }

    /// How many edges lead to each node.
    pub fn in_degrees(&self) -> Vec<u32> {
        self.predecessors.starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// All nodes, each after what comes before it; among equals the lower number first-come. A cycle is the error: its
    /// nodes in edge order, the smallest first, not repeated at the end. Source: A. B. Kahn, CACM 5 (1962).
    pub fn topological_order(&self) -> Result<Vec<u32>, Vec<u32>> {
        let mut left = self.in_degrees();
        let mut order: Vec<u32> = (0..narrow(self.len())).filter(|node| left[*node as usize] == 0).collect();
        let mut done = 0;
        while done < order.len() {
            let node = order[done];
            done += 1;
            for next in self.successors(node) {
                left[*next as usize] -= 1;
                if left[*next as usize] == 0 {
                    order.push(*next);
                }
            }
        }
        if order.len() == self.len() { Ok(order) } else { Err(self.cycle_among(&left)) }
    }

    /// A cycle among the nodes that Kahn's algorithm left over: each of them has a predecessor that is left over too, so
    /// walking backward must meet itself.
    fn cycle_among(&self, left: &[u32]) -> Vec<u32> {
        let start =
            (0..narrow(self.len())).find(|node| left[*node as usize] > 0).expect("the caller saw nodes left over");
        let mut seen_at = vec![usize::MAX; self.len()];
        let mut path = Vec::new();
        let mut node = start;
        while seen_at[node as usize] == usize::MAX {
            seen_at[node as usize] = path.len();
            path.push(node);
            node = *self
                .predecessors(node)
                .iter()
                .find(|before| left[**before as usize] > 0)
                .expect("a node is left over only while one before it is");
        }
        let mut cycle = path.split_off(seen_at[node as usize]);
        cycle.reverse();
        let smallest = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(position, _)| position);
        cycle.rotate_left(smallest);
        cycle
    }

    /// For each node the number of edges on the longest path that leads to it; `Err` is a cycle.
    pub fn levels(&self) -> Result<Vec<u32>, Vec<u32>> {
        let order = self.topological_order()?;
        let mut levels = vec![0; self.len()];
        for node in order {
            for next in self.successors(node) {
                levels[*next as usize] = levels[*next as usize].max(levels[node as usize] + 1);
            }
        }
        Ok(levels)
    }

    /// The path with the largest sum of weights, one weight per node: the critical path. `Err` is a cycle.
    pub fn longest_path(&self, weights: &[u64]) -> Result<Vec<u32>, Vec<u32>> {
        assert_eq!(weights.len(), self.len(), "one weight per node");
        let order = self.topological_order()?;
        let mut best = weights.to_vec();
        let mut came_from = vec![u32::MAX; self.len()];
        for node in &order {
            for next in self.successors(*node) {
                let sum = best[*node as usize].saturating_add(weights[*next as usize]);
                if sum > best[*next as usize] || came_from[*next as usize] == u32::MAX && sum >= best[*next as usize] {
                    best[*next as usize] = sum;
                    came_from[*next as usize] = *node;
                }
            }
        }
        let Some(mut node) = (0..narrow(self.len())).rev().max_by_key(|node| best[*node as usize]) else {
            return Ok(Vec::new());
        };
        let mut path = vec![node];
        while came_from[node as usize] != u32::MAX {
            node = came_from[node as usize];
            path.push(node);
        }
        path.reverse();
        Ok(path)
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("graphs are bounded by TASKS_PER_PROJECT, far below 2^32 nodes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cycle_is_named_in_edge_order() {
        let graph = Graph::new(5, &[(0, 1), (1, 2), (2, 3), (3, 1), (3, 4)]);
        assert_eq!(graph.topological_order(), Err(vec![1, 2, 3]));
    }

    #[test]
    fn deep_chains_need_no_stack() {
        let n = 100_000;
        let mut edges: Vec<(u32, u32)> = (1..n).map(|i| (i - 1, i)).collect();
        let graph = Graph::new(n as usize, &edges);
        assert_eq!(graph.levels().map(|levels| levels[n as usize - 1]), Ok(n - 1));
        assert_eq!(graph.longest_path(&vec![1; n as usize]).map(|path| path.len()), Ok(n as usize));
        edges.push((n - 1, 0));
        assert_eq!(Graph::new(n as usize, &edges).topological_order().map_err(|cycle| cycle.len()), Err(n as usize));
    }

    #[test]
    fn empty_graphs_are_graphs() {
        assert_eq!(Graph::new(0, &[]).longest_path(&[]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn the_order_respects_every_edge(n in 1u32..40, raw in proptest::collection::vec((0u32..40, 0u32..40), 0..200)) {
            let edges: Vec<(u32, u32)> = raw.into_iter().map(|(a, b)| (a % n, b % n)).collect();
            let graph = Graph::new(n as usize, &edges);
            match graph.topological_order() {
                Ok(order) => {
                    let mut at = vec![0; n as usize];
                    for (position, node) in order.iter().enumerate() { at[*node as usize] = position; }
                    prop_assert_eq!(order.len(), n as usize);
                    prop_assert!(edges.iter().all(|(a, b)| at[*a as usize] < at[*b as usize]));
                }
                Err(cycle) => {
                    let closed = cycle.iter().zip(cycle.iter().cycle().skip(1));
                    prop_assert!(!cycle.is_empty());
                    for (a, b) in closed { prop_assert!(graph.successors(*a).contains(b)); }
                }
            }
        }
    }
}
