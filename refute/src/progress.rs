//! Progress of long jobs, for a person at a terminal: nothing is drawn where standard error is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// A line that moves; gone when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A job of unknown length.
    pub(crate) fn spinner(stage: &str) -> Self {
        Self::start(ProgressBar::no_length(), "{spinner} {elapsed} {msg}", stage)
    }

    /// A job of `steps` steps.
    pub(crate) fn bar(steps: usize, stage: &str) -> Self {
        Self::start(ProgressBar::new(steps as u64), "{spinner} {elapsed} {msg} {bar:30} {pos}/{len}", stage)
    }

    fn start(bar: ProgressBar, template: &str, stage: &str) -> Self {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(stage.to_owned());
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// What is being done now.
    pub(crate) fn stage(&self, stage: &str) {
        tracing::info!("{stage}");
        self.0.set_message(stage.to_owned());
    }

    /// `done` of `of` steps are done.
    pub(crate) fn reach(&self, done: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
