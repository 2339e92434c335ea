// SPDX-License-Identifier: Apache-2.0
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** MemoryJobs BEAT MIB: fills MIB MiB with arrays and drops two thirds, again and again for four beats. */
public class MemoryJobs {
    public static void main(String[] args) throws InterruptedException {
        long end = System.currentTimeMillis() + 4 * Long.parseLong(args[0]);
        int most = Integer.parseInt(args[1]) * 4;
        List<byte[]> kept = new ArrayList<>();
        while (System.currentTimeMillis() < end) {
            byte[] block = new byte[256 << 10];
            Arrays.fill(block, (byte) 1);
            kept.add(block);
            if (kept.size() > most) kept.subList(0, most * 2 / 3).clear();
            Thread.sleep(2);
        }
    }
}
