# expect: pass
import asyncio
async def main():
    await asyncio.sleep(0)
    process = await asyncio.create_subprocess_exec("/usr/bin/echo", "ok", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    print(out.decode().strip())
asyncio.run(main())
