import { readdirSync } from "node:fs";
import { postgresCpuMicros, type BenchCluster } from "./bench-cluster.js";

/** What was used between two looks. Per piece of work by whoever knows how many there were. */
export interface ResourceUse {
  readonly nodeMicros: number;
  readonly postgresMicros: number;
  readonly walBytes: number;
  /** Of the log, by PostgreSQL's own statistics, which come up to a second late. */
  readonly walSyncs: number;
}

interface Look {
  readonly node: NodeJS.CpuUsage;
  readonly postgres: number;
  readonly wal: bigint;
  readonly syncs: bigint;
}

/** The function that it gives tells what was used since. Runs of everything on the cluster are counted together. */
export async function startResourceMeter(cluster: BenchCluster): Promise<() => Promise<ResourceUse>> {
  const before = await look(cluster);
  return async () => {
    const after = await look(cluster);
    const node = after.node.user + after.node.system - before.node.user - before.node.system;
    return {
      nodeMicros: node,
      postgresMicros: after.postgres - before.postgres,
      walBytes: Number(after.wal - before.wal),
      walSyncs: Number(after.syncs - before.syncs),
    };
  };
}

async function look(cluster: BenchCluster): Promise<Look> {
  const [row] = await cluster.admin.sql<{ wal: string; syncs: string }[]>`
    select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as wal,
      (select coalesce(sum(fsyncs), 0)::text from pg_stat_io where object = 'wal') as syncs`;
  if (row === undefined) throw new Error("the server tells nothing of its log");
  return {
    node: process.cpuUsage(),
    postgres: postgresCpuMicros(cluster.pid, () => readdirSync("/proc").filter((name) => /^\d+$/.test(name))),
    wal: BigInt(row.wal),
    syncs: BigInt(row.syncs),
  };
}
