//! The way out for allowed hosts, and what there is without one.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use wfctl::workspace::process::End;
use wfctl::workspace::sandbox::proxy::{Allowed, Proxy};
use wfctl::workspace::sandbox::{Network, Policy};

use crate::rig::{self, text};
use crate::world::World;

/// A host that greets whoever connects; tells its port.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _asked = client.read(&mut [0; 4096]);
            let _told = client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    port
}

/// Asks the proxy that the environment names, in shell and with what every Debian has.
fn asking(target: &str) -> String {
    format!("exec 3<>/dev/tcp/127.0.0.1/${{http_proxy##*:}}; printf 'GET {target} HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3")
}

fn with_hosts(world: &World, patterns: &[&str]) -> (Policy, Arc<Proxy>) {
    let allowed = Allowed::parse(patterns.iter().copied()).unwrap();
    let proxy = Proxy::start(&world.at("home/wfctl/proxy"), allowed).unwrap();
    (Policy { network: Network::Hosts(Arc::clone(&proxy)), ..world.policy() }, proxy)
}

#[test]
fn an_allowed_host_is_reached_through_the_proxy_and_no_other() {
    let runtime = rig::runtime();
    let (port, other) = (greeter(), greeter());
    for sandbox in rig::sandboxes() {
        let world = World::make();
        runtime.block_on(async {
            let (policy, proxy) = with_hosts(&world, &[&format!("127.0.0.1:{port}")]);
            for (target, expected) in [
                (format!("http://127.0.0.1:{port}/"), "hello"),
                (format!("http://127.0.0.1:{other}/"), "403 Forbidden"),
                (format!("http://localhost:{port}/"), "403 Forbidden"),
                (format!("http://2130706433:{port}/"), "403 Forbidden"),
                ("http://169.254.169.254/latest/meta-data".to_owned(), "403 Forbidden"),
                ("http://example.org/".to_owned(), "403 Forbidden"),
            ] {
                let line = format!("bash -c \"{}\"", asking(&target).replace('$', "\\$"));
                let report = rig::run(&rig::command(&world, &line, rig::by(sandbox, policy.clone()))).await;
                let told = text(&report.output.stdout);
                assert!(told.contains(expected), "{target}: {told} {}", text(&report.output.stderr_tail));
                assert!(report.ran_under.layers.contains(&"proxy".to_owned()));
            }
            assert_eq!(proxy.refused().len(), 5, "{:?}", proxy.refused());
            // Nothing but the proxy: the allowed host itself has no route.
            let direct = format!("bash -c 'echo >/dev/tcp/127.0.0.1/{port}'");
            let report = rig::run(&rig::command(&world, &direct, rig::by(sandbox, policy))).await;
            assert!(matches!(report.end, End::Exited(1)), "{:?}", report.end);
        });
    }
}

#[test]
fn programs_inside_reach_each_other() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        let line =
            "ip link show lo 2>/dev/null || cat /sys/class/net/lo/flags; bash -c 'echo >/dev/tcp/127.0.0.1/9' 2>&1";
        let report = runtime.block_on(rig::run(&rig::command(&world, line, rig::by(sandbox, world.policy()))));
        // Nobody listens there; without the interface it would be "Network is unreachable".
        assert!(text(&report.output.stdout).contains("Connection refused"), "{}", text(&report.output.stdout));
    }
}
