//! What can be typed about what keeps commands in their place.

use clap::Args;

use super::Allow;

/// What keeps the commands of a project in their place.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Sandbox")]
pub struct Contained {
    /// What keeps commands in their place; `none` lets them do whatever you can [default: the strongest that works here]
    #[arg(long, value_name = "BACKEND", value_parser = ["auto", "bwrap", "native", "docker", "podman", "none"])]
    pub sandbox: Option<String>,
    /// The image that containers are made of, for `docker` and `podman`; it must be on this machine
    #[arg(long, value_name = "IMAGE")]
    pub sandbox_image: Option<String>,
}

/// `sandbox`.
#[derive(Debug, Args)]
pub struct Sandbox {
    /// What keeps it in its place [default: what your configuration says, else the strongest that works here]
    #[arg(long, visible_alias = "sandbox", value_name = "NAME", help_heading = "Sandbox", value_parser = ["auto", "bwrap", "native", "docker", "podman"])]
    pub backend: Option<String>,
    /// The image that a container is made of, for `docker` and `podman`; it must be on this machine
    #[arg(long, visible_alias = "sandbox-image", value_name = "IMAGE", help_heading = "Sandbox")]
    pub image: Option<String>,
    #[command(flatten)]
    pub allow: Allow,
    /// Tell what it ran under
    #[arg(short, long)]
    pub verbose: bool,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
}
