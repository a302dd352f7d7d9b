//! Go. `go vet` is the syntax check: it compiles everything, and `go test` refuses the worst of what it finds anyway.

use super::Folder;
use crate::workspace::checks::{Check, Kind, Parser};

pub(super) fn is_here(folder: &Folder) -> bool {
    folder.has("go.mod")
}

pub(super) fn checks(folder: &Folder) -> Vec<Check> {
    let mut checks = vec![
        Check::found(Kind::Syntax, "go vet", "go vet ./..."),
        Check::tests("go test", "go test -json ./...", Parser::Go),
        Check::found(Kind::Coverage, "go coverage", "go test -cover ./..."),
    ];
    checks.push(if folder.has("go.sum") {
        Check::found(Kind::DependencyAudit, "go.sum", "GOPROXY=off GOFLAGS=-mod=readonly go mod verify")
    } else {
        Check::skipped(Kind::DependencyAudit, "go.sum", "there is no go.sum")
    });
    checks
}
