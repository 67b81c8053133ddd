//! Whether a GET that costs something may be what a web page has embedded: an image, a script, a frame. Such a request
//! needs nobody's consent, and its page needs no answer. Reads headers only.

use crate::kind::Kind;
use crate::origin::referred_by_another;
use crate::problem::Problem;
use http::header::{ACCEPT, HeaderName, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Headers that browsers send with a request for an address that nobody has asked for yet.
const AHEAD: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

/// Lets pass what a program asks, a person who types the address, and a script of this server's own page.
///
/// Browsers tell by `Sec-Fetch-…` what a request is for, if the connection counts as secure, as to localhost; whether the
/// site is another one has been judged before. A browser that does not tell has to ask for a page (`Accept: text/html`), and
/// not on behalf of another site's page (`Referer`). That leaves frames of pages which hide their address from a browser
/// that tells nothing.
///
/// # Errors
/// A 403 problem that says by what the request is taken for an embedded one.
pub(crate) fn refuse(asked: Option<&Authority>, headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(name) = AHEAD.into_iter().find(|name| headers.contains_key(*name)) {
        return Err(embedded(&format!("`{name}` says that nobody has asked for it yet")));
    }
    let (dest, mode) = (headers.get_all(DEST), headers.get_all(MODE));
    if dest.iter().any(|dest| dest != "document" && dest != "empty") {
        return Err(embedded("`Sec-Fetch-Dest` says that a page has embedded it"));
    }
    if mode.iter().any(|mode| mode != "navigate" && mode != "cors" && mode != "same-origin") {
        return Err(embedded("`Sec-Fetch-Mode` says that a page has embedded it"));
    }
    let tells = headers.contains_key(SITE);
    if !tells && referred_by_another(asked, headers) {
        return Err(embedded("`Referer` is a page of another site"));
    }
    let accepts = |what: &str| {
        let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok());
        accepted.any(|it| it.to_ascii_lowercase().contains(what))
    };
    match accepts("text/html") {
        false if accepts("image/") => Err(embedded("`Accept` asks for an image")),
        false if !tells && is_browser(headers) => {
            Err(embedded("`User-Agent` is a browser, and `Accept` asks for no page"))
        }
        _ => Ok(()),
    }
}

/// Returns whether the client is a browser: every browser calls itself so, and hardly anything else.
fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

fn embedded(reason: &str) -> Problem {
    let detail = format!(
        "failed to accept the job: {reason}, and pages may not run jobs by embedding them; POST the input to \
         /v1/pools/compute/jobs, or ask with a program such as curl"
    );
    Problem::new(Kind::ForeignOrigin, StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn passes(headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        refuse(Some(&Authority::from_static("localhost:3000")), &map).is_ok()
    }

    const CHROME: (&str, &str) =
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130");
    const PAGE: (&str, &str) =
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8");
    const IMAGE: (&str, &str) =
        ("accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8");

    #[test]
    fn programs_pass() {
        assert!(passes(&[]));
        assert!(passes(&[("user-agent", "curl/8.9.1"), ("accept", "*/*")]));
        assert!(passes(&[("user-agent", "python-requests/2.32"), ("accept-encoding", "gzip")]));
    }

    #[test]
    fn an_address_that_a_person_types_passes() {
        let navigates = [("sec-fetch-site", "none"), ("sec-fetch-dest", "document")];
        assert!(passes(&[CHROME, PAGE, navigates[0], navigates[1], ("sec-fetch-mode", "navigate")]));
        assert!(passes(&[CHROME, PAGE]), "a browser that does not tell");
        assert!(passes(&[CHROME, PAGE, ("referer", "http://localhost:3000/")]));
    }

    #[test]
    fn a_script_of_this_servers_own_page_passes() {
        let fetches = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
        assert!(passes(&[CHROME, ("accept", "*/*"), fetches[0], fetches[1]]));
    }

    #[test]
    fn what_a_page_embeds_is_refused_by_each_of_its_marks() {
        for dest in ["image", "script", "style", "iframe", "frame", "video", "object", "font", "Document", ""]
        {
            assert!(!passes(&[("sec-fetch-dest", dest)]), "{dest}");
        }
        for mode in ["no-cors", "websocket", "nested-navigate", ""] {
            assert!(!passes(&[("sec-fetch-mode", mode)]), "{mode}");
        }
        assert!(!passes(&[("sec-fetch-dest", "document"), ("sec-fetch-dest", "image")]), "two");
        assert!(!passes(&[CHROME, IMAGE]));
        assert!(!passes(&[IMAGE]) && !passes(&[("accept", "IMAGE/png")]));
        assert!(!passes(&[CHROME, ("accept", "*/*")]), "an image to an older browser, or a script");
        assert!(!passes(&[CHROME]));
        for referrer in
            ["http://evil.example/", "http://localhost:3001/", "https://evil.example", "about:blank", ""]
        {
            assert!(!passes(&[CHROME, PAGE, ("referer", referrer)]), "{referrer}");
            assert!(!passes(&[("referer", referrer)]), "{referrer}");
        }
    }

    #[test]
    fn what_a_browser_fetches_ahead_is_refused() {
        for (name, value) in
            [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")]
        {
            assert!(!passes(&[CHROME, PAGE, ("sec-fetch-dest", "document"), (name, value)]), "{name}");
        }
    }
}
