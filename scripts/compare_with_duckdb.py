"""Compares what `tsds query` answers on the imported example data with what DuckDB computes from the CSV files.

Usage: compare_with_duckdb.py TSDS_BINARY DATABASE DATA_FOLDER, after

    tsds import air DATA/beijing_air/*.csv --time year,month,day,hour --series station --null NA
    tsds import metrics DATA/nab/data/*/*.csv --time timestamp --series file

Needs the packages duckdb and pyarrow.
"""
import glob
import io
import os
import subprocess
import sys

import duckdb
import pyarrow.ipc as ipc

T,P,D=sys.argv[1:4]
def tsds(*a):
    out=subprocess.run([T,'--path',P,'query',*a,'--format','arrow'],capture_output=True)
    assert out.returncode==0,out.stderr.decode()
    return ipc.open_stream(io.BytesIO(out.stdout)).read_all()
con=duckdb.connect()
con.execute(f"""create table air as select make_timestamp(year,month,day,hour,0,0) as time, * exclude(year,month,day,hour) from read_csv('{D}/beijing_air/*.csv', nullstr='NA')""")
con.execute("create table metrics(timestamp timestamp, file varchar, value double)")
for f in glob.glob(f'{D}/nab/data/*/*.csv'):
    con.execute(f"insert into metrics select timestamp, '{os.path.basename(f)[:-4]}', value from read_csv('{f}', columns={{'timestamp':'TIMESTAMP','value':'DOUBLE'}}, header=true)")
def norm(rows): 
    r=[]
    for row in rows:
        r.append(tuple((x.replace(tzinfo=None) if hasattr(x,'tzinfo') else x) for x in row))
    return r
def cmp(name,a,b,ordered=True,tol=0):
    a=norm(a);b=norm(b)
    if not ordered: a.sort(key=str);b.sort(key=str)
    assert len(a)==len(b),(name,len(a),len(b))
    worst=0
    for x,y in zip(a,b):
        for u,v in zip(x,y):
            if isinstance(u,float) and isinstance(v,(int,float)):
                if u!=v: worst=max(worst,abs(u-v)/max(1e-300,abs(v)))
            else: assert u==v,(name,x,y)
    assert worst<=tol,(name,worst)
    print('equal',name,len(a),'worst relative difference',worst)
cols=['time','No','PM2.5','PM10','SO2','NO2','CO','O3','TEMP','PRES','DEWP','RAIN','wd','WSPM','station']
q=','.join('"%s"'%c for c in cols)
t=tsds('air'); cmp('air all rows', zip(*[t.column(c).to_pylist() for c in cols]), con.execute(f'select {q} from air').fetchall(), False)
t=tsds('air','--where',"station = 'Dongsi' and TEMP > 30",'--sort','TEMP:desc','--limit','5','--columns','TEMP,station')
cmp('air top5', zip(*[t.column(c).to_pylist() for c in ['TEMP','station']]), con.execute("select TEMP,station from air where station='Dongsi' and TEMP>30 order by TEMP desc limit 5").fetchall())
t=tsds('air','--where',"station = 'Dongsi' and TEMP > 30",'--sort','TEMP:desc,time')
cmp('air filter', zip(*[t.column(c).to_pylist() for c in cols]), con.execute(f"select {q} from air where station='Dongsi' and TEMP>30 order by TEMP desc, time").fetchall())
t=tsds('air','--every','1d','--by','station','--agg','count, avg("PM2.5"), max(TEMP)')
cmp('air per day', zip(*[c.to_pylist() for c in t.columns]), con.execute("select station, date_trunc('day',time)::timestamp d, count(*), avg(\"PM2.5\"), max(TEMP) from air group by all order by all").fetchall(), tol=1e-12)
t=tsds('metrics'); cmp('metrics all rows', zip(*[t.column(c).to_pylist() for c in ['timestamp','file','value']]), con.execute('select timestamp,file,value from metrics').fetchall(), False)
t=tsds('metrics','--by','file','--agg','count, sum(value), min(value), max(value), first(value)')
cmp('metrics per file', [r[:5] for r in zip(*[c.to_pylist() for c in t.columns])], con.execute("select file,count(*),fsum(value),min(value),max(value) from metrics group by all order by file").fetchall(), tol=1e-12)
