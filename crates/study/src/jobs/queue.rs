//! Tasks that wait, and processes that run.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use stepwise_trainer::interrupt::{self, Interrupt};

use super::process::{Process, last_line};
use super::{HELD_EXIT_CODE, JobError, JobEvent, JobOptions, JobsSummary};
use crate::task::TaskStatus;
use crate::{Study, Task};
use stepwise_trainer::claim::holder::Holder;

/// Time between two looks at tasks that other processes hold.
const LOOK: Duration = Duration::from_secs(5);

/// Tasks that are not finished.
pub(super) struct Queue<'a> {
    study: &'a Study,
    options: JobOptions<'a>,
    waiting: VecDeque<&'a Task>,
    pub running: Vec<Process<'a>>,
    failed: Vec<&'a Task>,
    /// Last known holders of waiting tasks, by task number.
    holders: BTreeMap<usize, Holder>,
    /// Time of the last look at waiting tasks. None when they are to be looked at without delay.
    looked: Option<Instant>,
    is_stopping: bool,
}

impl<'a> Queue<'a> {
    /// Creates the queue of the tasks that are not finished; reports those that are.
    ///
    /// # Errors
    /// When the state of a task cannot be read.
    pub fn new(
        study: &'a Study,
        options: JobOptions<'a>,
        report: &mut dyn FnMut(JobEvent<'_>),
    ) -> Result<Self, JobError> {
        let mut waiting = VecDeque::new();
        for task in &study.tasks {
            match task.status().map_err(JobError::Run)? {
                TaskStatus::Finished => report(JobEvent::FinishedBefore(task)),
                TaskStatus::Waiting | TaskStatus::Partial(_) => waiting.push_back(task),
            }
        }
        Ok(Self {
            study,
            options,
            waiting,
            running: Vec::new(),
            failed: Vec::new(),
            holders: BTreeMap::new(),
            looked: None,
            is_stopping: false,
        })
    }

    /// Starts processes for waiting tasks while there are free slots. Looks at each waiting task once; a task that
    /// another process holds goes to the end of the queue.
    ///
    /// # Errors
    /// When the state or the claim of a task cannot be read, or a process cannot be started.
    pub fn start(&mut self, interrupt: &Interrupt, report: &mut dyn FnMut(JobEvent<'_>)) -> Result<(), JobError> {
        if self.looked.is_some_and(|at| at.elapsed() <= LOOK) {
            return Ok(());
        }
        for _ in 0..self.waiting.len() {
            if self.running.len() >= self.options.jobs || interrupt.requested() {
                break;
            }
            let Some(task) = self.waiting.pop_front() else { break };
            self.looked = Some(Instant::now());
            // A process marks its task as finished before it releases the claim, so the claim is read first.
            if let Some(holder) = task.holder().map_err(JobError::File)? {
                if self.holders.get(&task.number) != Some(&holder) {
                    report(JobEvent::Held(task, &holder));
                    self.holders.insert(task.number, holder);
                }
                self.waiting.push_back(task);
            } else if task.status().map_err(JobError::Run)? == TaskStatus::Finished {
                report(JobEvent::FinishedElsewhere(task));
            } else {
                self.start_process(task, report)?;
            }
        }
        Ok(())
    }

    /// Starts a process in a free slot. Slot n uses device n, counted round.
    fn start_process(&mut self, task: &'a Task, report: &mut dyn FnMut(JobEvent<'_>)) -> Result<(), JobError> {
        let is_free = |slot: &usize| self.running.iter().all(|other| other.slot != *slot);
        let slot = (0..self.options.jobs).find(is_free).unwrap_or_default();
        let device = self.options.devices.iter().cycle().nth(slot).and_then(Option::as_deref);
        let process = Process::start(task, self.study, self.options, slot, device)?;
        report(JobEvent::Started { task, device, pid: process.child.id() });
        self.running.push(process);
        Ok(())
    }

    /// Collects processes that have ended, and reports how.
    ///
    /// # Errors
    /// When the state of a process cannot be read.
    pub fn collect(&mut self, report: &mut dyn FnMut(JobEvent<'_>)) -> Result<(), JobError> {
        let mut still = Vec::new();
        for mut process in std::mem::take(&mut self.running) {
            let status = process.child.try_wait();
            let program = self.options.program;
            let Some(status) = status.map_err(|error| JobError::Process { program: program.into(), error })? else {
                still.push(process);
                continue;
            };
            self.looked = None;
            let (task, took) = (process.task, process.began.elapsed());
            match status.code() {
                Some(0) => report(JobEvent::Finished { task, took }),
                Some(interrupt::EXIT_CODE) if self.is_stopping => report(JobEvent::Saved { task, took }),
                // Another process claimed the task first.
                Some(code) if code == i32::from(HELD_EXIT_CODE) => self.waiting.push_back(task),
                code => {
                    self.failed.push(task);
                    let log = task.log();
                    let last_line = last_line(&log);
                    report(JobEvent::Failed { task, code, took, log, last_line });
                }
            }
        }
        self.running = still;
        Ok(())
    }

    /// Requests once that every process saves and ends.
    pub fn stop(&mut self) {
        if !self.is_stopping {
            self.is_stopping = true;
            self.running.iter_mut().for_each(Process::stop);
        }
    }

    /// Returns the last logged steps of the running tasks as an event.
    pub fn progress(&self) -> JobEvent<'a> {
        let steps = self.running.iter().map(|process| (process.task, process.step())).collect();
        JobEvent::Progress { steps, waiting: self.waiting.len() }
    }

    /// Returns the tasks that failed, and the tasks that still wait.
    pub fn summary(mut self) -> JobsSummary<'a> {
        let left = self.waiting.iter().map(|task| (*task, self.holders.remove(&task.number))).collect();
        JobsSummary { failed: self.failed, left }
    }
}
