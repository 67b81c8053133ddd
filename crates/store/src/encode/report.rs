//! The report beside an outcome as bytes.

use procpool_protocol::engine::JobLimits;
use procpool_protocol::extras::{ContentType, JobReport};

use super::bytes::{Reader, Unreadable, Writer};
use super::submission::{payload, write_payload};

pub(super) fn write(to: &mut Writer, report: &JobReport) {
    to.option(report.content_type.as_ref(), |to, it| to.text(it.as_str()));
    to.option(report.cpu_time, Writer::duration);
    to.option(report.peak_memory, Writer::number);
    to.option(report.chunks_dropped, Writer::number);
    to.option(report.attempts.map(u64::from), Writer::number);
    to.option(report.worker.map(u64::from), Writer::number);
    to.option(report.answers.as_ref(), write_payload);
    to.option(report.asked, |to, asked| {
        to.option(asked.timeout, Writer::duration);
        to.option(asked.run_timeout, Writer::duration);
    });
}

pub(super) fn read(from: &mut Reader<'_>) -> Result<JobReport, Unreadable> {
    let mut report = JobReport::default();
    report.content_type = from.option(|from| {
        ContentType::new(from.text()?).map_err(|_| Unreadable("its content type is not one"))
    })?;
    report.cpu_time = from.option(Reader::duration)?;
    report.peak_memory = from.option(Reader::number)?;
    report.chunks_dropped = from.option(Reader::number)?;
    report.attempts = from.option(Reader::small)?;
    report.worker = from.option(Reader::small)?;
    report.answers = from.option(payload)?;
    report.asked = from.option(|from| {
        let timeout = from.option(Reader::duration)?;
        Ok(JobLimits::new().timeout(timeout).run_timeout(from.option(Reader::duration)?))
    })?;
    Ok(report)
}
