package flockwise;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.api.java.UDF3;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Bytes of a file, wherever Hadoop's file systems reach; null where they can't be had.
 *
 * Spark's own binaryFile gives a task whole files of up to 2 GB, each in one piece of memory. Compiled by the driver with Janino, as Spark compiles its
 * queries: without type parameters, which Janino does not bridge.
 */
public final class Ranges implements UDF3 {
    private final SerializableConfiguration settings;

    public Ranges(SerializableConfiguration settings) {
        this.settings = settings;
    }

    public Object call(Object address, Object begin, Object length) throws Exception {
        byte[] content = new byte[((Integer) length).intValue()];
        try {
            Path file = new Path((String) address);
            FSDataInputStream input = file.getFileSystem(settings.value()).open(file);
            try {
                input.readFully(((Long) begin).longValue(), content);
            } finally {
                input.close();
            }
        } catch (IOException error) {
            return null; // the Python that waits for it says what it means; this error's text may hold credentials of an address
        }
        return content;
    }
}
