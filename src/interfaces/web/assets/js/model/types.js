/**
 * The shapes that the server's answers have, as far as the interface reads them. Times are milliseconds since 1970, money is
 * millionths of a US dollar.
 *
 * @typedef {{code: string, title: string, status: number, detail: string, causes: string[], next: string | null,
 *   diagnostics?: {shown: any[], more: number}, inputs?: {code: string, input: string, message: string, help?: string | null}[]}} ProblemBody
 *
 * @typedef {{id: string, workflow: string, status: string, created: number, changed: number, parent: string | null, note: string}} Summary
 *
 * @typedef {{calls: number, tokens: number, usd_micros: number}} Amounts
 * @typedef {{calls: number | null, tokens: number | null, usd_micros: number | null, wall_ms: number | null}} Caps
 * @typedef {{spent: Amounts, reserved: Amounts}} Ledger
 * @typedef {{class: string, message: string, retry_after_ms: number | null}} Failure
 *
 * @typedef {{ix: number, name: string, phase: string, status: string, action: string, role?: string, attempt: number, needs: string[],
 *   since: number, started: number | null, ended: number | null, due: number | null, waits_for: string | null,
 *   doing?: {what: string, turn: number | null, since: number} | null, child?: string | null,
 *   external?: {queue: string, payload: any, worker: string | null, until: number | null}, failure: Failure | null, output: any}} TaskView
 *
 * @typedef {{project: Summary, seq: number, phase: string | null, phases: string[], definition: string, base_dir: string,
 *   source: string | null, inputs: Record<string, any>, counts: [string, number][], caps: Caps, ledger: Ledger,
 *   gate: {ask: string, due: number | null} | null, tasks: TaskView[]}} ProjectView
 *
 * @typedef {{project: string, seq: number, epoch: number, at: number, actor: any, event: any, hash: string, task: string | null}} RecordView
 * @typedef {{task: string | null, waits_for: string, since: number, due: number | null, command: string | null}} Reason
 *
 * @typedef {{memory_bytes: number | null, cpu_ms: number | null, memory_kills: number}} Took
 * @typedef {{step: number, kind: string, started: number, ended?: number, effect: string, shown?: string, exit?: number,
 *   duration_ms?: number, used?: Amounts, tree?: string, failure?: Failure, log_bytes?: number, merged?: any,
 *   took?: Took}} Step
 * @typedef {{task: string, ix: number, attempt: number, started: number, ended?: number, end: string, failure?: Failure, steps: Step[]}} AttemptRow
 * @typedef {{task: string | null, ix: number | null, cause: string, since: number, until?: number}} WaitRow
 * @typedef {{attempts: AttemptRow[], waits: WaitRow[], left_out?: number}} Timeline
 *
 * @typedef {{calls: number, failed: number, input_tokens: number, cached_tokens: number, output_tokens: number, reasoning_tokens: number,
 *   uncertain: number, uncertain_tokens: number, usd_micros: number}} Tally
 * @typedef {{name: string, used: Tally, latency?: {median_ms: number, p95_ms: number}}} CostRow
 * @typedef {{project: Summary, children: number, total: Tally, roles: CostRow[], models: CostRow[], phases: CostRow[], tasks: CostRow[],
 *   caps: Caps, ledger: Ledger}} Cost
 *
 * @typedef {{path: string, old_path?: string | null, status: string, binary: boolean, additions: number, deletions: number, patch?: string | null}} DiffFile
 * @typedef {{base: string | null, head: string | null, files: DiffFile[], truncated: boolean, reason?: string | null}} Diff
 *
 * @typedef {{ix: number, kind: string, label: string, shown: string, began: number, end: {is: string, failure?: Failure}, text: string,
 *   cut_from?: number, calls?: {id: string, name: string, arguments: string}[], duration_ms?: number,
 *   usage?: {input_tokens: number, output_tokens: number, cached_tokens: number, usd_micros: number} | null}} TranscriptEntry
 *
 * @typedef {{name: string, type: string, required: boolean, description?: string, default?: any, choices?: any[]}} InputSpec
 * @typedef {{name: string, source: string, description: string, inputs: InputSpec[], problem?: string | null}} Workflow
 * @typedef {{project: Summary, task: string | null, ask: string, since: number, due: number | null}} Approval
 * @typedef {{project: string, task: string, waits_for: string, queue: string, payload: any, worker: string | null, since: number,
 *   due: number | null}} Work
 * @typedef {{name: string, description: string, tools: string[], output: string, prompt: string}} Role
 */
export {};
