/** The public API. */

export type { Chain } from './connection/chain.js'
export type { Connection } from './connection/connection.js'
export type { Share } from './connection/identity.js'
export type { Controlled, ControlledConnection, ControlOptions } from './control.js'
export { control } from './control.js'
export type { Address, AddressInput } from './endpoints/address.js'
export { formatAddress, parseAddress } from './endpoints/address.js'
export type { Sink, Source } from './endpoints/endpoint.js'
export { fileSink } from './endpoints/file/file-sink.js'
export { concatenate, fileSource } from './endpoints/file/file-source.js'
export type { Receipt } from './endpoints/session/hello.js'
export { transferLinks } from './endpoints/session/links.js'
export type { TransferLinks } from './endpoints/session/options.js'
export type { SourceInput } from './endpoints/source.js'
export type { SecureContexts } from './endpoints/tls/contexts.js'
export type { ClientTls, Pem, ServerTls } from './endpoints/tls/secure-context.js'
export type { Fault, FaultOptions } from './faults/fault.js'
export { faultStage } from './faults/fault.js'
export type { Gate, GateOptions } from './faults/gate.js'
export { gate } from './faults/gate.js'
export type { Place, TriggerValues } from './faults/trigger.js'
export { checkTrigger, triggerOptions } from './faults/trigger.js'
export type { Data } from './formats/bytes.js'
export type { Unit } from './formats/records.js'
export type { WebReadable, WebTransform, WebWritable } from './formats/web.js'
export type { Metrics } from './metrics.js'
export { metrics } from './metrics.js'
export type { PipeOptions } from './pipe/options.js'
export { pipe } from './pipe.js'
export type { ProxyOptions, ProxyServer } from './proxy.js'
export { proxy } from './proxy.js'
export type { SendConnection, SendOptions } from './send/options.js'
export type { SendReceipt } from './send/reliable.js'
export type { SendError } from './send/send-error.js'
export { isSendError } from './send/send-error.js'
export { send } from './send.js'
export type { Also, Handler, Output, PipeServer, ServeOptions, SinkInput } from './serve.js'
export { serve } from './serve.js'
export type { ProxyProtocol } from './server/balancers.js'
export type { Enter, ListenOptions } from './server/listen-options.js'
export type { CloseOptions, Server } from './server/server.js'
export type { SnapshotOptions } from './server/snapshots.js'
export { snapshots } from './server/snapshots.js'
export { compose, records } from './stages/compose.js'
export * from './stages/define.js'
export type { Specs } from './stages/spec.js'
export { specOf } from './stages/spec.js'
export type { OutOf, RecordOf, Stage, StageObject, TransformStream } from './stages/stage.js'
export { eachJson, eachLine } from './stages/stage.js'
export type { Stages, Transforms } from './stages/transforms.js'
export { mergeStats } from './stats/merge.js'
export type { Identity, Listening, ObservedConnection, Observer, Way } from './stats/observer.js'
export { type Amounts, type Part, partsOf } from './stats/parts.js'
export { type Pipeline, type PipelinePart, pipelineOf } from './stats/pipeline.js'
export type { SessionFacts } from './stats/session-facts.js'
export type {
  AlsoStats,
  ClosedBy,
  ConnectionStats,
  Direction,
  DirectionStats,
  Durations,
  EndStats,
  Reason,
  RunStats,
  SegmentStats,
  ServerStats,
  StageStats,
  StageTotals,
} from './stats/snapshot.js'
export type { FaultNote, Side, Summary } from './stats/summary.js'
export type { TlsFacts } from './stats/tls-facts.js'
export { type Verdict, verdict } from './stats/verdict.js'
export type { ErrorCode, TimeoutName } from './text/errors.js'
export { TcpPipeError } from './text/errors.js'
export type { About, ShownConnection, ShownServer, Ui, UiOptions } from './ui.js'
export { serveUi } from './ui.js'
