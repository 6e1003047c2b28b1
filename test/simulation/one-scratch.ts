import { runSeed } from "/work/wt/simulation/test/simulation/run-seed.ts";
const from=Number(process.argv[2]), n=Number(process.argv[3]), trace=process.argv[4]==="t";
const c0=process.cpuUsage();
let ev=0; const tot:any={};
for(let s=from;s<from+n;s++){ const r=await runSeed(s, trace?{trace:(t)=>console.log(t)}:{}); ev+=r.events; for(const k in r.counts) tot[k]=(tot[k]??0)+(r.counts as any)[k];
 if(r.failures.length) console.log("seed",s,r.failures.slice(0,4)); }
const c=process.cpuUsage(c0); console.log(((c.user+c.system)/1000/n).toFixed(1)+" ms cpu/seed", ev/n, tot);
