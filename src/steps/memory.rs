//! The cause of a failure that is no fault of the command's: it had no more memory.

use crate::domain::sandbox::{Attestation, SandboxLimits, in_words};

/// What to write for more.
const RAISE: &str = "limits = {memory = ...} under [sandbox] in your config.toml raises it, unless the workflow's `sandbox:` asks for less";
/// The layer that bounds all processes together.
const TOGETHER: &str = "control group";

/// Why a command that failed under `limits` was out of memory, if it was.
pub(super) fn out_of_memory(ran_under: &Attestation, limits: &SandboxLimits) -> Option<String> {
    let bound = limits.memory_bytes?;
    let (took, words) = (ran_under.took, in_words(bound));
    if took.memory_kills > 0 {
        return Some(format!("out of memory: the kernel ended processes of it at their bound of {words}; {RAISE}"));
    }
    // Where each process has the bound for itself, it is refused memory, and what it makes of that is its own affair.
    let each =
        ran_under.backend != Attestation::none().backend && ran_under.layers.iter().all(|layer| layer != TOGETHER);
    let largest = took.memory_bytes.filter(|largest| each && *largest >= bound - bound / 10)?;
    let largest = in_words(largest);
    Some(format!("perhaps out of memory: a process of it took {largest} of the {words} that each may have; {RAISE}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sandbox::Took;

    #[test]
    fn a_bound_that_was_reached_is_named_with_the_key_that_raises_it() {
        let limits = SandboxLimits { memory_bytes: Some(100 << 20), ..SandboxLimits::default() };
        let ran = |layers: &[&str], memory_bytes, memory_kills| Attestation {
            backend: "native".to_owned(),
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            took: Took { memory_bytes: Some(memory_bytes), cpu_ms: None, memory_kills },
        };
        let told = out_of_memory(&ran(&["control group"], 100 << 20, 1), &limits).unwrap();
        assert!(
            told.starts_with("out of memory") && told.contains("100.0 MiB") && told.contains("[sandbox]"),
            "{told}"
        );
        let told = out_of_memory(&ran(&[], 95 << 20, 0), &limits).unwrap();
        assert!(told.starts_with("perhaps out of memory: a process of it took 95.0 MiB"), "{told}");
        // Files in the kernel's memory count in a control group, and make room when they must.
        assert_eq!(out_of_memory(&ran(&["control group"], 100 << 20, 0), &limits), None);
        assert_eq!(out_of_memory(&ran(&[], 50 << 20, 0), &limits), None);
        assert_eq!(out_of_memory(&ran(&[], 95 << 20, 3), &SandboxLimits::default()), None);
        let open = Attestation { backend: "none".to_owned(), ..ran(&[], 95 << 20, 0) };
        assert_eq!(out_of_memory(&open, &limits), None);
    }
}
