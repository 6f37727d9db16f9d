import type { WorkloadState } from './state.ts';

/** A renewal may take its time, retries included, before it is called overdue. */
const PATIENCE_MS = 10_000;
/** The share of its life at whose beginning somebody should have replaced a certificate that does not renew itself. */
const LAST_SHARE = 0.1;
const LONGEST_NOTICE_MS = 30 * 24 * 3_600_000;

/** By when a certificate that nobody here renews should be replaced: with a tenth of its life left, at most 30 days. */
export function replacementDue({ notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number }) {
  return notAfter - Math.min((notAfter - notBefore) * LAST_SHARE, LONGEST_NOTICE_MS);
}

/** Why the renewal of a workload's certificate is overdue, in words; undefined if it is not. */
export function overdueReason(state: WorkloadState, now: number): string | undefined {
  const { certificate, renewalDue, lastError } = state;
  if (certificate === undefined) return lastError && `there is no certificate: ${lastError.message}`;
  if (renewalDue === undefined || now < renewalDue) return undefined;
  if (lastError) return `renewal fails: ${lastError.message}`;
  return now >= renewalDue + PATIENCE_MS ? 'renewal is late' : undefined;
}
