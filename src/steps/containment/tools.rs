//! Where tool chains and package managers keep things in a person's home: what commands must see to build, and what of it they
//! must not.

/// Folders of a home that hold tools: shown, read-only.
pub(super) const SHOWN: &[&str] = &[
    ".cargo",
    ".rustup",
    ".local/bin",
    ".local/lib",
    ".local/share/mise",
    ".local/share/pnpm",
    ".local/share/uv",
    ".local/pipx",
    ".nvm",
    ".fnm",
    ".volta",
    ".bun",
    ".deno",
    ".pyenv",
    ".rbenv",
    ".asdf",
    ".sdkman",
    ".jenv",
    ".nix-profile",
    "go",
    "miniconda3",
    "anaconda3",
];

/// Caches of package managers: shown when caches may be read.
pub(super) const CACHES: &[&str] = &[
    ".cargo/registry",
    ".cargo/git",
    "go/pkg/mod",
    ".npm",
    ".cache/pip",
    ".cache/uv",
    ".m2/repository",
    ".gradle/caches",
];

/// Keys and diaries of a person: hidden whatever is shown or written around them, unless somebody allowed one by name.
pub(super) const KEYS: &[&str] = &[
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".gradle/gradle.properties",
    ".m2/settings.xml",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".local/share/keyrings",
    ".password-store",
    ".mozilla",
    ".config/chromium",
    ".config/google-chrome",
    ".bash_history",
    ".zsh_history",
];

/// The same where a variable names a tool's folder.
pub(super) const KEYS_OF_TOOLS: &[&str] = &["credentials", "credentials.toml"];

/// Variables that hold folders of tools, perhaps several with colons between them.
pub(super) const FOLDER_VARIABLES: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "PYTHONPATH",
    "NODE_PATH",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "JAVA_HOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "NVM_DIR",
    "NVM_BIN",
    "GOROOT",
    "GOPATH",
    "GOMODCACHE",
    "PYENV_ROOT",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "SDKMAN_DIR",
];

/// What of a repository's folder makes git run programs or look elsewhere: never written, even when the rest may be.
pub(super) const GIT_SETTINGS: &[&str] =
    &["config", "config.worktree", "hooks", "info/attributes", "objects/info/alternates", "modules", "commondir"];

/// Caches of a project's own: the variable that points a tool to one, and the name of its folder.
pub(super) const OWN_CACHES: &[(&str, &str)] = &[
    ("CARGO_HOME", "cargo"),
    ("npm_config_cache", "npm"),
    ("PIP_CACHE_DIR", "pip"),
    ("UV_CACHE_DIR", "uv"),
    ("GOMODCACHE", "go"),
];

/// System files that hold keys of the machine, hidden from every command. A command of root's could read them.
pub(super) const SYSTEM_KEYS: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/kubernetes",
    "/etc/wireguard",
    "/etc/NetworkManager/system-connections",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/boot",
];

/// Folders with the homes of everybody.
pub(super) const HOMES: &[&str] = &["/home", "/root"];
