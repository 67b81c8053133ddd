//! The executable around [`procpool_symbolize::Symbolizer`].

use procpool_protocol::symbols::Symbolize;
use procpool_symbolize::Symbolizer;

fn main() -> std::process::ExitCode {
    procpool_worker::serve_with::<Symbolize, Symbolizer>(
        |_startup| Ok(Symbolizer::default()),
        |symbolizer, request, _cx| Ok(symbolizer.name(&request)),
    )
}
