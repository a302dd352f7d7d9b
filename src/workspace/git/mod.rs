//! git, through libgit2 and a little by hand: worktrees of our own, exact checkpoints, merges in the object store.
