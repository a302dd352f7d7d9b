//! Landlock, the second layer over the mounts: whatever becomes of them, files are changed beneath the writable folders
//! only; and signals and abstract sockets do not leave the sandbox. As much of it as this kernel knows.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible as _, LandlockStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope, path_beneath_rules,
};

use super::super::order::Order;
use super::super::plan::How;

/// The youngest version whose access rights are asked for.
const RIGHTS: ABI = ABI::V6;
/// Written by every command.
const DEVICES: &str = "/dev";

/// Puts it in force for this thread and all that it starts; tells the version, `None` where the kernel has none.
pub(super) fn apply(order: &Order) -> io::Result<Option<u32>> {
    let roots = order.plan.iter().filter(|entry| matches!(entry.how, How::Writable | How::Scratch));
    let roots = roots.map(|entry| entry.path.clone()).chain([PathBuf::from(DEVICES)]);
    let status = restrict(roots).map_err(io::Error::other)?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(effective_abi as u32)
        }
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => return Ok(None),
    };
    Ok((status.ruleset != RulesetStatus::NotEnforced).then_some(version))
}

fn restrict(
    roots: impl Iterator<Item = impl AsRef<Path>>,
) -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    let rights = AccessFs::from_write(RIGHTS);
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(rights)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(roots, rights))?
        .restrict_self()
}
