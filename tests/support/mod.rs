//! What the engine's tests share: workflows in a few words (`flows`), a machine room where time, storage and steps do what
//! a test says (`rig`), and rules over records that know nothing of the code under test (`check`).

pub mod check;
pub mod dice;
pub mod flows;
pub mod rig;
