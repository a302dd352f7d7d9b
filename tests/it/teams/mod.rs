//! Teams of agents, each workflow from end to end with the binary: models say what a script says, everything else is real.

mod autonomous_app;
mod contract_first;
mod kills;
mod rig;
mod strategy;
