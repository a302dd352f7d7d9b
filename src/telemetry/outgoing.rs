//! How HTTP clients of ours begin, whichever room they are of: under our name, through the proxies of the environment, and nothing is
//! sent twice or elsewhere unless its owner says so. It stands here because every room that sends may import this one.

use reqwest::{ClientBuilder, NoProxy, Proxy, redirect, retry};

/// A client to be completed. `variable` gives a variable of the environment that the engine was started with; proxies are named by
/// `http_proxy`, `https_proxy` and `no_proxy`, in either case. Errors: a proxy that is none, in words.
pub fn client<'e>(variable: impl Fn(&str) -> Option<&'e str>) -> Result<ClientBuilder, String> {
    // An error means that it is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let either = |names: [&str; 2]| names.into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let no_proxy = either(["no_proxy", "NO_PROXY"]).and_then(NoProxy::from_string);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("wfctl/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        // None but those that are named here.
        .no_proxy();
    if let Some(proxy) = either(["http_proxy", "HTTP_PROXY"]) {
        builder = builder.proxy(Proxy::http(proxy).map_err(chain)?.no_proxy(no_proxy.clone()));
    }
    if let Some(proxy) = either(["https_proxy", "HTTPS_PROXY"]) {
        builder = builder.proxy(Proxy::https(proxy).map_err(chain)?.no_proxy(no_proxy));
    }
    Ok(builder)
}

/// The error and its causes in one line, without the URL: it may have credentials in it.
pub fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_is_none_is_refused_and_an_empty_one_is_no_proxy() {
        for name in ["http_proxy", "HTTPS_PROXY"] {
            assert!(client(|asked| (asked == name).then_some("http://[")).is_err(), "{name}");
            assert!(client(|asked| (asked == name).then_some("")).is_ok(), "{name}");
        }
    }
}
